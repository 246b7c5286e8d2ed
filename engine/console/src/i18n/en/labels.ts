export default {
  title: 'Labels',
}
