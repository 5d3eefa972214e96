// Pictures made small for the page: the browser holds one big bitmap at a time, and
// what it cannot decode is known here instead of shown as a broken picture.

const side = 1280, thumbSide = 480;

// preview returns {url, thumb, width, height} of a file, url being an object URL
// and thumb a data URL small enough to keep; null where the browser can't show it.
let last = Promise.resolve();
export function preview(file) {
  const next = last.then(() => make(file));
  last = next.catch(() => {});
  return next;
}

async function make(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return null;
  }
  try {
    const { width, height } = bitmap;
    const big = draw(bitmap, side), small = draw(bitmap, thumbSide);
    const blob = await new Promise(resolve => big.toBlob(resolve, 'image/jpeg', 0.9));
    if (!blob) return null;
    return { url: URL.createObjectURL(blob), thumb: small.toDataURL('image/jpeg', 0.6), width, height };
  } finally {
    bitmap.close();
  }
}

function draw(bitmap, most) {
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff'; // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}
