// Many questions of one kind, a few at a time.

/** Asks for each, a few at a time, and answers in the order given. */
export async function inTurn<T, R>(items: readonly T[], question: (item: T) => Promise<R>, atOnce = 6): Promise<R[]> {
  const answers = new Array<R>(items.length)
  let next = 0
  async function work(): Promise<void> {
    while (next < items.length) {
      const at = next++
      answers[at] = await question(items[at] as T)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
  return answers
}
