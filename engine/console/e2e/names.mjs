// What everybody must be able to find: a title, landmarks, one heading of the page, a name on every control.

/** What is wrong with the page as it is, in words; empty if nothing is. */
export function faultsOf(page) {
  return page.evaluate(() => {
    const faults = []
    if (!/\S/.test(document.title)) faults.push('the page has no title')
    if (!document.documentElement.lang) faults.push('the page says no language')
    for (const [selector, count] of [['main', 1], ['h1', 1]]) {
      const found = document.querySelectorAll(selector).length
      if (found !== count) faults.push(`${found} of <${selector}>, not ${count}`)
    }
    const ways = [...document.querySelectorAll('nav')]
    if (ways.length === 0) faults.push('there is no <nav>')
    if (ways.some((nav) => !nav.getAttribute('aria-label'))) faults.push('a <nav> has no name')
    if (document.documentElement.scrollWidth > innerWidth) faults.push(`the page scrolls sideways by ${document.documentElement.scrollWidth - innerWidth} px`)
    const visible = (element) => element.getClientRects().length > 0 && !element.closest('[aria-hidden="true"]')
    const nameOf = (element) => {
      const by = (element.getAttribute('aria-labelledby') ?? '').split(/\s+/).filter(Boolean)
      const told = [
        element.getAttribute('aria-label'),
        ...by.map((id) => document.getElementById(id)?.textContent),
        ...[...(element.labels ?? [])].map((label) => label.getAttribute('aria-label') ?? label.textContent),
        element.title,
        element.tagName === 'INPUT' && ['button', 'submit'].includes(element.type) ? element.value : null,
        element.tagName === 'INPUT' || element.tagName === 'TEXTAREA' ? null : element.textContent,
        ...[...element.querySelectorAll('img[alt], svg[aria-label], [title]')].map((one) => one.getAttribute('alt') ?? one.getAttribute('aria-label') ?? one.title),
      ]
      return told.find((one) => /\S/.test(one ?? ''))
    }
    for (const element of document.querySelectorAll('button, a[href], input:not([type=hidden]), textarea, select, [role=button], [role=combobox], [role=img]')) {
      if (!visible(element) || nameOf(element)) continue
      const place = element.closest('[data-test]')?.getAttribute('data-test')
      faults.push(`<${element.tagName.toLowerCase()}${element.className ? ` class="${element.getAttribute('class')}"` : ''}>${place ? ` in ${place}` : ''} has no name`)
    }
    const ids = [...document.querySelectorAll('main [id]')].map((element) => element.id)
    for (const id of new Set(ids.filter((one, index) => ids.indexOf(one) !== index))) faults.push(`two elements have the id ${id}`)
    return faults
  })
}
