// The operator's color as the accent of the pages: readable in light and dark, whatever color it is.

type Color = readonly [number, number, number];

const LIGHT: Color = [255, 254, 251];
const DARK: Color = [31, 29, 25];
const INK: Color = [22, 21, 18];
const WHITE: Color = [255, 255, 255];
/** For text (WCAG 2.2, success criterion 1.4.3), with something left for the grounds beside these. */
const ENOUGH = 5;

const parse = (hex: string): Color => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as unknown as Color;
const print = (color: Color) => `#${color.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
const mix = (one: Color, other: Color, share: number) =>
  one.map((part, index) => part + (other[index]! - part) * share) as unknown as Color;

/** The relative luminance of WCAG 2. */
function luminance(color: Color): number {
  const [red, green, blue] = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

export function contrast(one: Color, other: Color): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}

/** The color, moved toward another until it can be read on a ground. */
function readable(color: Color, ground: Color, toward: Color): Color {
  for (let share = 0; share < 1; share += 0.02) {
    const moved = mix(color, toward, share);
    if (contrast(moved, ground) >= ENOUGH) return moved;
  }
  return toward;
}

const textOn = (fill: Color) => (contrast(fill, WHITE) >= contrast(fill, INK) ? WHITE : INK);

/** The colors that a color makes, by the names of their variables. */
export function accents(hex: string): Record<string, string> {
  const color = parse(hex);
  const light = readable(color, LIGHT, INK);
  const dark = readable(color, DARK, WHITE);
  return {
    "--accent-light": print(light), "--on-accent-light": print(textOn(light)), "--accent-text-light": print(light),
    "--accent-dark": print(dark), "--on-accent-dark": print(textOn(dark)), "--accent-text-dark": print(dark),
  };
}

/** Sets the accent. A policy without inline styles allows a script to do so. */
export function applyTheme(color: string | null) {
  for (const [name, value] of Object.entries(color ? accents(color) : {})) document.documentElement.style.setProperty(name, value);
}
