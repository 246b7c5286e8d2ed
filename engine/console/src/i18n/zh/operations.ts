import type en from '../en/operations'

export default {
  title: '运维',
} satisfies typeof en
