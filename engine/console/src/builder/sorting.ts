// Drag and drop between the groups of a rule. Sortable moves elements of the page; the tree alone says what is where, so a move is taken back on the
// page and made in the tree.
import Sortable from 'sortablejs'
import { onBeforeUnmount, onMounted, type Ref } from 'vue'

export function useSorting(list: Ref<HTMLElement | null>, moved: (id: string, into: string, index: number) => void): void {
  let sortable: Sortable | null = null
  onMounted(() => {
    if (!list.value) return
    sortable = Sortable.create(list.value, {
      group: 'rule',
      handle: '.grip',
      draggable: '.part',
      animation: 120,
      fallbackOnBody: true,
      swapThreshold: 0.6,
      ghostClass: 'ghost',
      onEnd(event) {
        const { item, from, to, oldIndex, newDraggableIndex } = event
        const id = item.dataset['id']
        const into = to.dataset['group']
        if (!id || !into || newDraggableIndex === undefined) return
        from.insertBefore(item, from.children[oldIndex ?? 0] ?? null)
        moved(id, into, newDraggableIndex)
      },
    })
  })
  onBeforeUnmount(() => sortable?.destroy())
}
