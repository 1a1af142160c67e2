'use strict';

// JSON that keeps all digits of whole numbers: those that a double cannot represent exactly become BigInts.

const parseJson = text =>
  JSON.parse(text, (_, value, context) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
    if (!Number.isFinite(value)) throw new SyntaxError('a number is too large');
    return context && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
  });

const isScalar = value => value === null || typeof value !== 'object';

function jsonText(value, indent = '') {
  if (typeof value === 'bigint') return String(value);
  if (isScalar(value)) return JSON.stringify(value);
  const deeper = indent + '  ';
  const wrap = (open, items, close) => `${open}\n${deeper}${items.join(`,\n${deeper}`)}\n${indent}${close}`;
  if (Array.isArray(value)) {
    const items = value.map(item => jsonText(item, deeper));
    return value.every(isScalar) ? `[${items.join(', ')}]` : wrap('[', items, ']');
  }
  const items = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${jsonText(item, deeper)}`);
  return items.length ? wrap('{', items, '}') : '{}';
}
