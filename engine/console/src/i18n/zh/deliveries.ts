import type en from '../en/deliveries'

export default {
  title: '投放',
} satisfies typeof en
