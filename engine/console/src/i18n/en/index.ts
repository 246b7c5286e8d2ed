import builder from './builder'
import common from './common'
import deliveries from './deliveries'
import labels from './labels'
import operations from './operations'
import users from './users'

export default { ...common, builder, labels, users, deliveries, operations }
