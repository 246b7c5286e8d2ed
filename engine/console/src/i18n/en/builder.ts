export default { title: 'Build an audience' }
