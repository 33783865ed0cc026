// How numbers read to a person. The same rules as tokens/format.py, held to the same tests/format_vectors.json:
// rounding is half up on the decimal digits, never on a float; unknown reads as a dash.

export const UNKNOWN = "—";
const MINUS = "\u2212";
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i;
const SUBSCRIPT_ZERO = 0x2080; // ₀
const PRICE_DIGITS = 4; // significant digits below one dollar
const SUBSCRIPT_FROM = 4; // zeros after the point from which they are counted instead of written
const UNITS = [[12, "T"], [9, "B"], [6, "M"], [3, "K"], [0, ""]];
const AGES = [[60, 1, "s"], [3600, 60, "m"], [172800, 3600, "h"], [5184000, 86400, "d"], [63072000, 2592000, "mo"]];
const YEAR_S = 31536000;

export function price(text) {
  if (!NUMBER.test(text ?? "")) return UNKNOWN;
  const value = parse(text);
  return value.digits === "" ? "$0" : `${value.negative ? MINUS : ""}$${priceText(value)}`;
}

export function amount(text) {
  if (!NUMBER.test(text ?? "")) return UNKNOWN;
  const value = parse(text);
  return value.point < 1 ? price(text) : `${value.negative ? MINUS : ""}$${compact(value)}`;
}

export function percent(number) {
  if (!NUMBER.test(number ?? "")) return UNKNOWN;
  const size = fixed(parse(String(number)), 2);
  const sign = { up: "+", down: MINUS, flat: "" }[direction(number)];
  return `${sign}${size.point > 3 ? compact(size) : plain(size, 2)}%`;
}

export function direction(number) {
  if (!NUMBER.test(number ?? "") || fixed(parse(String(number)), 2).digits === "") return "flat";
  return number > 0 ? "up" : "down";
}

export function age(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  for (const [below, unit, name] of AGES) if (whole < below) return `${Math.floor(whole / unit)}${name}`;
  return `${Math.floor(whole / YEAR_S)}y`;
}

export function count(number) {
  return number === null || number === undefined ? UNKNOWN : grouped(String(number));
}

export function short(address) {
  return `${address.slice(0, 4)}…${address.slice(-4)}`;
}

// A decimal is its significant digits and where the point stands before them: 0.0012 is {digits: "12", point: -2}.
function parse(text) {
  const [, sign, whole, decimals = "", exponent = "0"] = NUMBER.exec(text);
  const all = whole + decimals;
  const digits = all.replace(/^0+/, "");
  const point = whole.length - (all.length - digits.length) + Number(exponent);
  return trimmed({ negative: sign === "-", digits, point });
}

function trimmed(value) {
  const digits = value.digits.replace(/0+$/, "");
  return { ...value, digits, point: digits === "" ? 0 : value.point };
}

function significant(value, kept) {
  if (value.digits.length <= kept) return value;
  if (kept < 0) return { ...value, digits: "", point: 0 };
  const isUp = value.digits[kept] >= "5";
  const digits = (BigInt(value.digits.slice(0, kept) || "0") + (isUp ? 1n : 0n)).toString().padStart(kept, "0");
  return trimmed({ ...value, digits: digits === "0" ? "" : digits, point: value.point + digits.length - kept });
}

function fixed(value, decimals) {
  return significant(value, value.point + decimals);
}

function priceText(value) {
  let size = value.point < 1 ? significant(value, PRICE_DIGITS) : value;
  if (size.point < 1) return belowOne(size);
  size = fixed(size, size.point <= 3 ? 4 : 2);
  if (size.point > 6) return compact(size);
  return plain(size.point > 3 ? fixed(size, 2) : size, 2);
}

function belowOne(size) {
  const zeros = -size.point;
  if (zeros < SUBSCRIPT_FROM) return plain(size, 2);
  const counted = Array.from(String(zeros), (digit) => String.fromCodePoint(SUBSCRIPT_ZERO + Number(digit)));
  return `0.0${counted.join("")}${size.digits}`;
}

function compact(value) {
  const size = significant(value, 3);
  const [exponent, suffix] = UNITS.find(([smallest]) => size.point - 1 >= smallest);
  const scaled = { ...size, point: size.point - exponent };
  return plain(scaled, Math.max(0, 3 - scaled.point)) + suffix;
}

function plain(value, decimalsAtLeast) {
  const digits = "0".repeat(Math.max(0, -value.point)) + value.digits;
  const point = Math.max(0, value.point);
  const whole = digits.slice(0, point).padEnd(point, "0") || "0";
  const decimals = digits.slice(point).padEnd(decimalsAtLeast, "0");
  return decimals === "" ? grouped(whole) : `${grouped(whole)}.${decimals}`;
}

function grouped(whole) {
  return whole.replace(/\B(?=(\d{3})+$)/g, ",");
}
