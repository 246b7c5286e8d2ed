// Language and theme: what the browser says, until a person says otherwise.
import { defineStore } from 'pinia'
import { ref, watchEffect } from 'vue'

export type Language = 'en' | 'zh-CN'
export type Theme = 'light' | 'dark'

const LANGUAGE = 'muster.language'
const THEME = 'muster.theme'

function firstLanguage(): Language {
  const told = localStorage.getItem(LANGUAGE) ?? navigator.language
  return told.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en'
}

function firstTheme(): Theme {
  const told = localStorage.getItem(THEME)
  if (told === 'light' || told === 'dark') return told
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
}

export const usePreferences = defineStore('preferences', () => {
  const language = ref<Language>(firstLanguage())
  const theme = ref<Theme>(firstTheme())

  watchEffect(() => {
    document.documentElement.lang = language.value
    document.documentElement.classList.toggle('dark', theme.value === 'dark')
  })

  function setLanguage(to: Language): void {
    language.value = to
    localStorage.setItem(LANGUAGE, to)
  }

  function setTheme(to: Theme): void {
    theme.value = to
    localStorage.setItem(THEME, to)
  }

  return { language, theme, setLanguage, setTheme }
})
