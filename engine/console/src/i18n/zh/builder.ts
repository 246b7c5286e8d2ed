export default { title: '构建人群' }
