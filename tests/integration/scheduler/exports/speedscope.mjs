// SPDX-License-Identifier: Apache-2.0
// speedscope.mjs PACKAGE FOLDER: opens our exports with speedscope's own importer, the one that
// its web page runs. The package ships it in one script together with the page; we run that script
// without a page: the part at its end that draws is cut off, and the importer is handed out instead.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'

const [packageFolder, folder] = process.argv.slice(2)

// Stands for everything that a page has and an importer has no use for.
const nothing = new Proxy(function () {}, {
  get: (_, key) => (key === Symbol.toPrimitive ? () => '' : nothing),
  set: () => true,
  apply: () => nothing,
  construct: () => nothing,
})

async function loadImporter() {
  const release = path.join(packageFolder, 'dist', 'release')
  const name = fs.readdirSync(release).find((file) => /^speedscope-.*\.js$/.test(file))
  const script = fs.readFileSync(path.join(release, name), 'utf8')
  const importer = /\(await ([\w$]+)\)\.importProfileGroupFromText/.exec(script)
  const drawing = script.lastIndexOf('console.log(`speedscope v')
  assert.ok(importer && drawing > 0, 'this release of speedscope is built in another way')
  const page = {
    console: { log() {}, warn() {}, error: console.error },
    TextDecoder, TextEncoder, URL, URLSearchParams, setTimeout, clearTimeout, atob, btoa,
    ArrayBuffer, Uint8Array, DataView, performance,
    document: nothing, navigator: nothing, localStorage: nothing,
    location: { protocol: 'file:', hash: '', search: '' },
    addEventListener() {}, matchMedia: () => nothing,
  }
  page.window = page.self = page
  vm.createContext(page)
  vm.runInContext(`${script.slice(0, drawing)}globalThis.importer=${importer[1]}})()`, page)
  return page.importer
}

// Totals and selves by function, as the importer adds them up.
function weights(group) {
  const sums = new Map()
  for (const profile of group.profiles) {
    profile.forEachFrame((frame) => {
      const [total, self] = sums.get(frame.name) ?? [0, 0]
      sums.set(frame.name, [total + frame.getTotalWeight(), self + frame.getSelfWeight()])
    })
  }
  return sums
}

function whole(group) {
  return group.profiles.reduce((sum, profile) => sum + profile.getTotalWeight(), 0)
}

const expected = JSON.parse(fs.readFileSync(path.join(folder, 'expected.json'), 'utf8'))
const importer = await loadImporter()

// `apart` are functions that this reader cannot tell apart in this format.
async function check(file, scale, calls, apart = []) {
  const bytes = fs.readFileSync(path.join(folder, file))
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const group = await importer.importProfilesFromArrayBuffer(file, buffer)
  assert.ok(group, `${file}: not recognized`)
  assert.equal(group.profiles.length, calls, `${file}: profiles`)
  assert.equal(whole(group) * scale, expected.wall, `${file}: the whole`)
  const sums = weights(group)
  for (const [name, [total, self]] of Object.entries(expected.totals)) {
    if (name === '' || apart.includes(name)) continue
    const [readTotal, readSelf] = sums.get(name) ?? [0, 0]
    assert.equal(readTotal * scale, total, `${file}: total of ${name}`)
    assert.equal(readSelf * scale, self, `${file}: self of ${name}`)
  }
  return { group, sums }
}

const { group, sums } = await check('calls.speedscope.json', 1, expected.calls)
assert.equal(group.profiles[0].getWeightUnit(), 'nanoseconds')
assert.match(group.name, /^POST \/checkout/)
assert.ok(sums.has('<script>alert(\'&"\')</script>'), 'a name is not markup')
assert.ok([...sums.keys()].every((name) => !/[\u202a-\u202e\n]/.test(name)))

const folded = await check('calls.folded', 1000, 1)
assert.ok([...folded.sums.keys()].some((name) => name.startsWith('a:b')), 'a semicolon')

// A task without a sample: recognized, so that its page says that the profile is empty.
const none = fs.readFileSync(path.join(folder, 'none.speedscope.json'), 'utf8')
const empty = await importer.importProfileGroupFromText('none.speedscope.json', none)
assert.ok(empty, 'none.speedscope.json: not recognized')
assert.equal(empty.profiles.length, 0)

// Of a location's lines it reads the function's own, and not those inlined into it.
const pprof = await check('calls.pb.gz', 1, 1, ['visit', 'walk'])
assert.equal(pprof.sums.get('walk')[1], expected.totals.visit[1] + expected.totals.walk[1])
assert.equal(pprof.group.profiles[0].getWeightUnit(), 'nanoseconds')
console.log('speedscope read calls.speedscope.json, calls.folded and calls.pb.gz')
