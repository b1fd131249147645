// Words in the reader's language. The address may name it (`?lang=zh`), else
// the last choice, else the browser. Texts hold `{name}` for values and
// `{n:one|other}` for a word that follows a count.
import { createContext, Fragment, type ReactNode, useContext, useEffect, useMemo } from "react";
import { setQuery, usePlace } from "../app/location";
import { en } from "./en";
import { zh } from "./zh";

export type Lang = "en" | "zh";
export type TextKey = keyof typeof en;

const DICTIONARIES: Record<Lang, Record<TextKey, string>> = { en, zh };
const LOCALES: Record<Lang, string> = { en: "en-GB", zh: "zh-CN" };
const KEPT = "sycee.lang";

type Values = Record<string, string | number>;

export interface Text {
  lang: Lang;
  locale: string;
  t: (key: TextKey, values?: Values) => string;
  /** The word for a code of the API; a code newer than this page stays as it is. */
  word: (group: string, code: string) => string;
}

const TextContext = createContext<Text | null>(null);

export function TextProvider({ children }: { children: ReactNode }) {
  const { query } = usePlace();
  const lang = chosen(query.get("lang"));
  const text = useMemo(() => textOf(lang), [lang]);
  useEffect(() => {
    document.documentElement.lang = text.locale;
  }, [text]);
  return <TextContext.Provider value={text}>{children}</TextContext.Provider>;
}

export function useText(): Text {
  const text = useContext(TextContext);
  if (!text) throw new Error("useText needs a TextProvider above it");
  return text;
}

export function chooseLang(lang: Lang): void {
  try {
    localStorage.setItem(KEPT, lang);
  } catch {
    // Storage may be forbidden; the address still carries the choice.
  }
  setQuery({ lang });
}

/** A text whose values are elements, such as links and figures. */
export function Say({ of, ...values }: { of: TextKey; [name: string]: ReactNode }) {
  const { lang } = useText();
  const parts = DICTIONARIES[lang][of].split(/\{(\w+)\}/);
  return parts.map((part, at) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text never move
    <Fragment key={at}>{at % 2 === 0 ? part : values[part]}</Fragment>
  ));
}

function chosen(asked: string | null): Lang {
  if (asked === "en" || asked === "zh") return asked;
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === "en" || kept === "zh") return kept;
  } catch {
    // Storage may be forbidden; the browser's languages then decide.
  }
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function textOf(lang: Lang): Text {
  const words = DICTIONARIES[lang];
  const plural = new Intl.PluralRules(LOCALES[lang]);
  const t = (key: TextKey, values: Values = {}) =>
    words[key].replace(
      /\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g,
      (whole, name: string, one?: string, other?: string) => {
        const value = values[name];
        if (value === undefined) return whole;
        if (one === undefined) return String(value);
        return (plural.select(Number(value)) === "one" ? one : other) ?? whole;
      },
    );
  const word = (group: string, code: string) => {
    const key = `${group}.${code}`;
    return key in words ? words[key as TextKey] : code;
  };
  return { lang, locale: LOCALES[lang], t, word };
}
