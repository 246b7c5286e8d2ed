/// <reference types="vitest/config" />
// How the console is built, served while it is written, and tested.
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'

// While it is written, `npm run dev` serves the sources and hands questions on to a server of Muster.
const server = process.env.MUSTER_URL ?? 'http://127.0.0.1:7071'

export default defineConfig({
  plugins: [vue()],
  resolve: { alias: { '@': new URL('./src', import.meta.url).pathname } },
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 1100,
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // What changes seldom stays in the browser's cache over a new version of the console.
        codeSplitting: {
          groups: [
            { name: 'charts', test: /node_modules\/(echarts|zrender)\// },
            { name: 'editor', test: /node_modules\/(@codemirror|@lezer|codemirror|style-mod|crelt|w3c-keyname)\// },
            { name: 'elements', test: /node_modules\/(element-plus|@element-plus|@floating-ui|@popperjs|async-validator|dayjs|lodash)/ },
            { name: 'vue', test: /node_modules\/(@vue|vue|vue-router|pinia|vue-i18n|@intlify)\// },
          ],
        },
      },
    },
  },
  server: {
    proxy: Object.fromEntries(['/api', '/healthz', '/readyz', '/metrics'].map((path) => [path, { target: server }])),
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts'],
  },
})
