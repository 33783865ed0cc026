// A small picture drawn from a mint; tokens/avatar.py draws the same, so no stranger's image is ever fetched.

const FNV_OFFSET = 0x811c9dc5; // FNV-1a, 32 bits
const FNV_PRIME = 0x01000193;

export function avatar(mint) {
  let mixed = FNV_OFFSET;
  for (let at = 0; at < mint.length; at += 1) mixed = Math.imul(mixed ^ mint.charCodeAt(at), FNV_PRIME) >>> 0;
  const hue = mixed % 360;
  return {
    hue,
    other_hue: (hue + 40 + ((mixed >>> 9) % 100)) % 360,
    turn: ((mixed >>> 16) % 24) * 15,
    dot_x: 8 + ((mixed >>> 20) % 17),
    dot_y: 8 + ((mixed >>> 25) % 17),
  };
}

// Repaint the picture of a cloned template: a disc, a half plane and a dot, as in templates/tokens/_avatar.html.
export function draw(svg, mint) {
  const { hue, other_hue: otherHue, turn, dot_x: x, dot_y: y } = avatar(mint);
  const [disc, half, dot] = svg.children;
  disc.setAttribute("fill", `hsl(${hue} 55% 48%)`);
  half.setAttribute("fill", `hsl(${otherHue} 60% 62%)`);
  half.setAttribute("transform", `rotate(${turn} 16 16)`);
  dot.setAttribute("fill", `hsl(${hue} 70% 88%)`);
  dot.setAttribute("cx", x);
  dot.setAttribute("cy", y);
}
