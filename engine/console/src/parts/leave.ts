// Asks before something typed is left without being saved: by a link, by going back, by closing the window.
import { ElMessageBox } from 'element-plus'
import { onBeforeUnmount, onMounted } from 'vue'
import { useI18n } from 'vue-i18n'
import { onBeforeRouteLeave, onBeforeRouteUpdate } from 'vue-router'

export interface Leaving {
  /** Whether one may leave; asks if something would be lost, once. */
  mayLeave: () => Promise<boolean>
  /** Leaving loses nothing any more, or it does again. */
  free: (now: boolean) => void
}

export function useLeaving(wouldLose: () => boolean): Leaving {
  const { t } = useI18n()
  let agreed = false

  async function mayLeave(): Promise<boolean> {
    if (agreed || !wouldLose()) return true
    agreed = await ElMessageBox.confirm(t('leave.question'), t('leave.title'), {
      confirmButtonText: t('leave.leave'),
      cancelButtonText: t('leave.stay'),
      type: 'warning',
    }).then(
      () => true,
      () => false,
    )
    return agreed
  }
  function warn(event: BeforeUnloadEvent): void {
    if (!agreed && wouldLose()) event.preventDefault()
  }

  onBeforeRouteLeave(mayLeave)
  onBeforeRouteUpdate(mayLeave)
  onMounted(() => addEventListener('beforeunload', warn))
  onBeforeUnmount(() => removeEventListener('beforeunload', warn))
  return { mayLeave, free: (now) => (agreed = now) }
}
