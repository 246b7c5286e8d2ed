import type en from '../en/labels'

export default {
  title: '标签',
} satisfies typeof en
