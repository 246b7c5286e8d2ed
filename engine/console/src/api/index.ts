// The questions that the console asks, by name. Shapes are those of the server's OpenAPI document.
import { ask, exactId, send } from './client'
import { upload } from './upload'
import type {
  CallerAnswer,
  ExportFormat,
  GenerationAnswer,
  HistoryAnswer,
  RefreshAnswer,
  RuleAnswer,
  Approval,
  AuditRecord,
  CountAnswer,
  DeliveriesAnswer,
  Delivery,
  DeliveryRequest,
  EffectAnswer,
  EffectRequest,
  ExplainAnswer,
  GenerationsAnswer,
  InServiceAnswer,
  Label,
  LabelCount,
  LabelRequest,
  LabelsAnswer,
  LabelsRequest,
  LabelUsesAnswer,
  MatchedDeliveries,
  MatchedLabels,
  MembersPage,
  OverlapAnswer,
  PreviewAnswer,
  ProfileAnswer,
  ReachAnswer,
  RebuildAnswer,
  SchemaAnswer,
  Segment,
  StatusAnswer,
  UploadAnswer,
  UserAnswer,
  UsersAnswer,
} from './schema'

export type * from './schema'
export { ApiProblem, isAborted } from './client'

const V1 = '/api/v1'

/** A user's id: text where a number would not be exact. */
export type UserId = number | string

type Signal = AbortSignal | undefined

// Audiences.
export const count = (segment: Segment & { generation?: number }, signal?: Signal) =>
  ask<CountAnswer>(`${V1}/audience/count`, { body: segment, signal })
export const preview = (segment: Segment, signal?: Signal) =>
  ask<PreviewAnswer>(`${V1}/audience/preview`, { body: segment, signal })
export const profile = (segment: Segment, of: { columns: string[]; top?: number; bins?: number }, signal?: Signal) =>
  ask<ProfileAnswer>(`${V1}/audience/profile`, { body: { ...segment, ...of }, signal })
export const explain = (segment: Segment, userId: UserId, signal?: Signal) =>
  ask<ExplainAnswer>(`${V1}/audience/explain`, { body: { ...segment, user_id: exactId(userId) }, signal })
export const overlap = (segments: Segment[], signal?: Signal) =>
  ask<OverlapAnswer>(`${V1}/audience/overlap`, { body: { segments }, signal })
export const members = (segment: Segment, page: { page_size?: number; page_token?: string }, signal?: Signal) =>
  ask<MembersPage>(`${V1}/audience/members`, { body: { ...segment, ...page }, signal })

export const readRule = (segment: Segment, signal?: Signal) =>
  ask<RuleAnswer>(`${V1}/audience/rule`, { body: segment, signal })

export const exportAudience = (
  segment: Segment,
  of: { format: ExportFormat; columns?: string[]; limit?: number },
  signal?: Signal,
) => send(`${V1}/audience/export`, { body: { ...segment, ...of }, signal })

// Users.
export const users = (
  segment: { rule?: string; label?: string; label_id?: number },
  page: { columns?: string[]; page_size?: number; page_token?: string },
  signal?: Signal,
) =>
  ask<UsersAnswer>(`${V1}/users`, {
    query: { ...segment, ...page, columns: page.columns?.join(',') },
    signal,
  })
export const user = (id: UserId, signal?: Signal) => ask<UserAnswer>(`${V1}/users/${id}/features`, { signal })
export const userLabels = (id: UserId, signal?: Signal) => ask<MatchedLabels>(`${V1}/users/${id}/labels`, { signal })
export const userDeliveries = (id: UserId, of: { placement?: string; limit?: number } = {}, signal?: Signal) =>
  ask<MatchedDeliveries>(`${V1}/users/${id}/deliveries`, { query: of, signal })

// The store.
export const schema = (signal?: Signal) => ask<SchemaAnswer>(`${V1}/schema`, { signal })
export const status = (signal?: Signal) => ask<StatusAnswer>(`${V1}/status`, { signal })
export const generations = (signal?: Signal) =>
  ask<GenerationsAnswer>(`${V1}/generations`, { query: { page_size: 1000 }, signal })
export const rollback = (generation?: number) =>
  ask<InServiceAnswer>(`${V1}/generations/rollback`, { body: generation === undefined ? {} : { generation } })
export const publish = (generation: number, reason: string) =>
  ask<InServiceAnswer>(`${V1}/generations/publish`, { body: { generation, reason } })
export const discard = (generation: number) => ask<void>(`${V1}/generations/discard`, { body: { generation } })
export const rebuild = (accept?: string) =>
  ask<RebuildAnswer>(`${V1}/generations/rebuild`, { body: accept === undefined ? {} : { accept } })
export const metrics = async (signal?: Signal) => (await send('/metrics', { signal })).text()

export const generation = (n: number, signal?: Signal) => ask<GenerationAnswer>(`${V1}/generations/${n}`, { signal })
export const generationHistory = (page: { page_size?: number; page_token?: string }, signal?: Signal) =>
  ask<HistoryAnswer>(`${V1}/generations/history`, { query: page, signal })
export const refreshLabels = () => ask<RefreshAnswer>(`${V1}/labels/refresh`, { method: 'POST', body: {} })

export const me = (signal?: Signal) => ask<CallerAnswer>(`${V1}/me`, { signal })

// Labels.
export const labels = (filter: LabelsRequest, signal?: Signal) =>
  ask<LabelsAnswer>(`${V1}/labels/filter`, { body: filter, signal })
export const label = (id: number, signal?: Signal) => ask<Label>(`${V1}/labels/${id}`, { signal })
export const createLabel = (request: LabelRequest) => ask<Label>(`${V1}/labels`, { body: request })
export const updateLabel = (id: number, request: LabelRequest) =>
  ask<Label>(`${V1}/labels/${id}`, { method: 'PUT', body: request })
export const deleteLabel = (id: number, version: number) =>
  ask<void>(`${V1}/labels/${id}`, { method: 'DELETE', query: { version } })
export const previewLabel = (id: number, request: EffectRequest, signal?: Signal) =>
  ask<EffectAnswer>(`${V1}/labels/${id}/preview`, { body: request, signal })
export const labelUses = (id: number, signal?: Signal) => ask<LabelUsesAnswer>(`${V1}/labels/${id}/uses`, { signal })
export const labelCounts = async (id: number, limit: number, signal?: Signal): Promise<LabelCount[]> =>
  (await ask<{ counts: LabelCount[] }>(`${V1}/labels/${id}/counts`, { query: { limit }, signal })).counts
export const uploadList = (id: number, file: Blob, replace: boolean, sent: (part: number) => void = () => undefined) =>
  upload<UploadAnswer>(`${V1}/labels/${id}/users`, { method: replace ? 'PUT' : 'POST', content: file, type: 'text/csv', sent })

export const labelMembers = (id: number, page: { page_size?: number; page_token?: string }, signal?: Signal) =>
  ask<MembersPage>(`${V1}/labels/${id}/users`, { query: page, signal })

// Deliveries.
export const deliveries = (
  filter: {
    status?: string
    search?: string
    creator?: string
    waiting?: boolean
    page_size?: number
    page_token?: string
  },
  signal?: Signal,
) => ask<DeliveriesAnswer>(`${V1}/deliveries`, { query: filter, signal })
export const delivery = (id: number, signal?: Signal) => ask<Delivery>(`${V1}/deliveries/${id}`, { signal })
export const createDelivery = (request: DeliveryRequest) => ask<Delivery>(`${V1}/deliveries`, { body: request })
export const updateDelivery = (id: number, request: DeliveryRequest) =>
  ask<Delivery>(`${V1}/deliveries/${id}`, { method: 'PUT', body: request })
export const deleteDelivery = (id: number, version: number) =>
  ask<void>(`${V1}/deliveries/${id}`, { method: 'DELETE', query: { version } })
export type Step = 'submit' | 'approve' | 'reject' | 'cancel' | 'withdraw'
export const stepDelivery = (id: number, step: Step, request: { comment?: string; version?: number }) =>
  ask<Delivery>(`${V1}/deliveries/${id}/${step}`, { body: request })
export const approvals = async (id: number, signal?: Signal): Promise<Approval[]> =>
  (await ask<{ approvals: Approval[] }>(`${V1}/deliveries/${id}/approvals`, { signal })).approvals
export const reach = (id: number, signal?: Signal) => ask<ReachAnswer>(`${V1}/deliveries/${id}/reach`, { signal })
export const previewReach = (request: DeliveryRequest, signal?: Signal) =>
  ask<ReachAnswer>(`${V1}/deliveries/reach`, { body: request, signal })

// The audit.
export const audit = (
  filter: {
    kind?: string
    id?: number
    actor?: string
    from?: string
    until?: string
    page_size?: number
    page_token?: string
  },
  signal?: Signal,
) => ask<{ records: AuditRecord[]; next_page_token?: string | null }>(`${V1}/audit`, { query: filter, signal })
