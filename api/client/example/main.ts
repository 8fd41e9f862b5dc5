// Shows Headwater's open incidents, live, on a page of your own. Open it with
// ?headwater=http://localhost:9097; Headwater must allow this page's site:
//
//     headwater --web.cors.origin=http://localhost:8000
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-web';
import { type Incident, IncidentService } from '@headwater-sre/client';

const baseUrl = new URLSearchParams(location.search).get('headwater') ?? 'http://localhost:9097';
const incidents = createClient(IncidentService, createConnectTransport({ baseUrl }));
const open = new Map<string, Incident>();

function draw(state: string) {
  document.querySelector('#state')!.textContent = state;
  document.querySelector('#incidents')!.replaceChildren(
    ...[...open.values()].map((incident) => Object.assign(document.createElement('li'), { textContent: incident.headline })),
  );
}

// A watch begins with all open incidents, goes on with what changes, and is resumed
// after the revision that was seen last.
async function follow(revision: bigint): Promise<bigint> {
  if (revision === 0n) open.clear();
  try {
    for await (const seen of incidents.watchIncidents({ revision, filter: 'state = "open"' })) {
      for (const incident of seen.incidents) open.set(incident.id, incident);
      for (const id of seen.removedIds) open.delete(id);
      revision = seen.revision;
      draw(`${open.size} open`);
    }
  } catch (err) {
    draw(`no connection, trying again: ${err}`);
  }
  return revision;
}

for (let revision = 0n; ; await new Promise((again) => setTimeout(again, 2000))) revision = await follow(revision);
