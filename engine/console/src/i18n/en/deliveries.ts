export default {
  title: 'Deliveries',
}
