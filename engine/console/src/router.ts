// Which page an address shows. Addresses hold the state of a page: a link to a rule opens that rule.
import { createRouter, createWebHistory } from 'vue-router'
import { followMissing } from './frame/missing'

export const router = createRouter({
  history: createWebHistory(),
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  routes: [
    { path: '/', redirect: '/audience' },
    { path: '/audience', name: 'audience', component: () => import('./pages/AudiencePage.vue') },
    { path: '/labels', name: 'labels', component: () => import('./pages/LabelsPage.vue') },
    { path: '/labels/overlap', name: 'overlap', component: () => import('./pages/OverlapPage.vue') },
    { path: '/labels/:id(\\d+)', name: 'label', component: () => import('./pages/LabelPage.vue'), props: true },
    { path: '/users', name: 'users', component: () => import('./pages/UsersPage.vue') },
    { path: '/users/:id(\\d+)', name: 'user', component: () => import('./pages/UserPage.vue'), props: true },
    { path: '/deliveries', name: 'deliveries', component: () => import('./pages/DeliveriesPage.vue') },
    { path: '/deliveries/new', name: 'newDelivery', component: () => import('./pages/DeliveryEditPage.vue') },
    { path: '/deliveries/:id(\\d+)', name: 'delivery', component: () => import('./pages/DeliveryPage.vue'), props: true },
    {
      path: '/deliveries/:id(\\d+)/edit',
      name: 'editDelivery',
      component: () => import('./pages/DeliveryEditPage.vue'),
      props: true,
    },
    { path: '/operations', name: 'operations', component: () => import('./pages/OperationsPage.vue') },
    { path: '/:path(.*)*', name: 'nowhere', component: () => import('./pages/NoPage.vue') },
  ],
})

followMissing(router)
