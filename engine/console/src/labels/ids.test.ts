// Ids that were pasted.
import { describe, expect, it } from 'vitest'
import { linesOf } from './ids'

describe('pasted ids', () => {
  it('stand between spaces, commas, semicolons and line ends', () => {
    expect(linesOf(' 1,2;3\r\n4\t5\n\n')).toEqual(['1', '2', '3', '4', '5'])
  })
  it('keep what is no id, for the server to say so', () => {
    expect(linesOf('12 abc')).toEqual(['12', 'abc'])
  })
  it('keep digits that a number cannot hold', () => {
    expect(linesOf('18446744073709551615')).toEqual(['18446744073709551615'])
  })
})
