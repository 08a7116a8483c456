// `@fal-ai/client` as its users run it: node untouched_client.mjs FOLDER STUDIO_URL WAY
// FOLDER holds node_modules/@fal-ai/client; WAY is how it is told of the studio: `proxy` (its proxyUrl) or `middleware`.
// Prints one JSON value for test_conformance.py.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, studio, way] = process.argv.slice(2);
const { createFalClient } = createRequire(join(folder, "package.json"))("@fal-ai/client");

const ENDPOINT = "fal-ai/creatify/aurora";
const EXAMPLES = "https://storage.googleapis.com/falserverless/example_inputs/creatify/aurora";
const EXAMPLE = { image_url: `${EXAMPLES}/input_.png`, audio_url: `${EXAMPLES}/input.wav`, resolution: "480p" };

const told = {
  proxy: { proxyUrl: { url: `${studio}/_studio/proxy`, when: "always" } },
  middleware: {
    requestMiddleware: async (request) => ({ ...request, url: request.url.replace("https://", `${studio}/`) }),
  },
}[way];
const fal = createFalClient({ credentials: "key-id:key-secret", ...told });

const fetched = async (url) => createHash("sha256").update(Buffer.from(await (await fetch(url)).arrayBuffer())).digest("hex");
const hashed = async (blob) => createHash("sha256").update(Buffer.from(await blob.arrayBuffer())).digest("hex");

function sound() {
  const samples = Buffer.alloc(8000, 128);
  const head = Buffer.alloc(44);
  head.write("RIFF", 0); head.writeUInt32LE(36 + samples.length, 4); head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16); head.writeUInt16LE(1, 20); head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24); head.writeUInt32LE(8000, 28); head.writeUInt16LE(1, 32); head.writeUInt16LE(8, 34);
  head.write("data", 36); head.writeUInt32LE(samples.length, 40);
  return new Blob([head, samples], { type: "audio/wav" });
}

async function uploads() {
  const small = sound();
  const big = new Blob([Buffer.alloc(91 * 1024 ** 2, "aurora")], { type: "application/octet-stream" });
  const found = [];
  for (const blob of [small, big]) {
    const url = await fal.storage.upload(blob, { lifecycle: { expiresIn: "1d" } });
    found.push((await fetched(url)) === (await hashed(blob)));
  }
  return found;
}

// a Blob among the arguments is uploaded by the client itself
async function follow(mode) {
  const { request_id: requestId } = await fal.queue.submit(ENDPOINT, {
    input: { ...EXAMPLE, audio_url: sound() }, priority: "low", startTimeout: 60,
  });
  const seen = [];
  const logs = [];
  const last = await fal.queue.subscribeToStatus(ENDPOINT, {
    requestId, logs: true, mode, pollInterval: 20,
    onQueueUpdate: (update) => { seen.push(update.status); logs.splice(0, logs.length, ...(update.logs ?? [])); },
  });
  const result = await fal.queue.result(ENDPOINT, { requestId });
  return {
    requestId, last: last.status, seen: seen.at(-1), messages: logs.map((entry) => entry.message),
    sameId: result.requestId === requestId, url: result.data.video.url, video: await fetched(result.data.video.url),
  };
}

async function stream() {
  const { request_id: requestId } = await fal.queue.submit(ENDPOINT, { input: EXAMPLE });
  const events = await fal.queue.streamStatus(ENDPOINT, { requestId, logs: true });
  const states = [];
  for await (const event of events) states.push(event.status);
  return { states, done: (await events.done()).status };
}

async function refusals() {
  const { request_id: requestId } = await fal.queue.submit(ENDPOINT, { input: {} });
  const told = [];
  for (const ask of [
    () => fal.queue.result(ENDPOINT, { requestId }),
    () => fal.queue.cancel(ENDPOINT, { requestId }),
    () => fal.queue.status(ENDPOINT, { requestId: "nobody" }),
  ]) {
    try { await ask(); } catch (error) { told.push([error.name, error.status]); }
  }
  return told;
}

async function cancel() {
  const sent = [];
  for (let number = 0; number < 2; number += 1) sent.push((await fal.queue.submit(ENDPOINT, { input: EXAMPLE })).request_id);
  for (const requestId of sent.reverse()) await fal.queue.cancel(ENDPOINT, { requestId });
  const ended = [];
  for (const requestId of sent) {
    ended.push((await fal.queue.subscribeToStatus(ENDPOINT, { requestId, pollInterval: 20 })).error_type);
  }
  return ended;
}

async function waiting() {
  const { data } = await fal.subscribe(ENDPOINT, { input: EXAMPLE, pollInterval: 20 });
  const ran = await fal.run(ENDPOINT, { input: EXAMPLE });
  return [Boolean(data.video.url), Boolean(ran.data.video.url)];
}

const cases = { uploads, polling: () => follow("polling"), streaming: () => follow("streaming"), stream, refusals, waiting };
const answer = {};
if (process.env.ONLY_CANCEL) answer.cancel = await cancel();
else for (const [name, go] of Object.entries(cases)) answer[name] = await go();
console.log(JSON.stringify(answer));
