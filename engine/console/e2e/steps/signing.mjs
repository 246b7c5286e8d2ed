// Who has no token sees nothing; who has one is known by name, and may do what the role allows.
import { holds } from '../wait.mjs'

export async function play({ people, report, server }) {
  const { anna, ben, olga, rita } = people
  await report.step('the console asks for a token, and takes no wrong one', [anna], async () => {
    await anna.go('/')
    await anna.fill('token', 'muster_wrong')
    await anna.click('sign-in')
    await anna.page.locator('.el-alert--error').waitFor()
  })
  for (const person of [anna, ben, olga, rita]) {
    await report.step(`${person.name} signs in`, [person], () => person.signIn())
  }
  await report.step('a reader may look, but not save', [rita], async () => {
    await rita.go('/audience?rule=has_poh')
    await rita.see('count')
    holds('the button for saving is not disabled', await rita.hook('save').isDisabled())
  })
  await report.step('an editor may not roll back', [anna], async () => {
    const { generations } = await server.ask('anna', '/generations')
    await anna.go('/operations')
    await anna.see(`rollback-${generations[0].generation}`)
    holds('the button is not disabled', await anna.hook(`rollback-${generations[0].generation}`).isDisabled())
  })
}
