import type en from '../en/users'

export default {
  title: '用户',
} satisfies typeof en
