// The chapters, in the order in which they are played: later ones use what earlier ones made.
import * as audience from './audience.mjs'
import * as connection from './connection.mjs'
import * as deliveries from './deliveries.mjs'
import * as labels from './labels.mjs'
import * as names from './names.mjs'
import * as operations from './operations.mjs'
import * as pictures from './pictures.mjs'
import * as signing from './signing.mjs'
import * as users from './users.mjs'

export const chapters = [
  { name: 'signing-in', title: 'Signing in', play: signing.play },
  { name: 'audience', title: 'Building an audience', play: audience.play },
  { name: 'keyboard', title: 'Building one without a mouse', play: audience.playByKeyboard },
  { name: 'labels', title: 'Labels', play: labels.play },
  { name: 'deliveries', title: 'A delivery from draft to user', play: deliveries.play },
  { name: 'users', title: 'Users', play: users.play },
  { name: 'pictures', title: 'Pictures of every page', play: pictures.play },
  { name: 'names', title: 'Titles, landmarks, names of controls', play: names.play },
  { name: 'operations', title: 'Operations', play: operations.play },
  { name: 'connection', title: 'A lost connection', play: connection.play },
]
