// A policy: what it reads, and the answer to each question. It has no state: an instance lives for one call.

const refusal = (reason) => ({ reason });

export const about = {
  describe: () => ({
    name: "my-policy",
    version: "0.1.0",
    summary: "A policy for Kubernetes devices",
    hooks: { @js-hooks@ },
    // What is read of devices; nothing else is sent.
//@ if select
    interests: { attributes: ["resource.kubernetes.io/numaNode"], capacities: [], nodeLabels: [], context: {} },
//@ end
//@ if not select
    interests: { attributes: [], capacities: [], nodeLabels: [], context: {} },
//@ end
    settingsSchema: null,
  }),
};
//@ if select

/** One attribute is declared, so that of device i is entry i of the table. */
const numaNode = (situation, device) => {
  const value = situation.devices.attributes[device];
  return value.tag === "int" ? value.val : undefined;
};

/** Serves every request from one NUMA node, or says `null`. */
const serve = (situation, node) => {
  const there = new Set();
  const taken = new Set();
  const assignments = [];
  for (const [position, request] of situation.requests.entries()) {
    // Of the alternatives of one request the first, which the user likes best. Of `all` devices there is
    // nothing to choose.
    if (position > 0 && situation.requests[position - 1].slot === request.slot) continue;
    if (request.amount.tag !== "exactly") continue;
    const local = request.devices.filter((device) => numaNode(situation, device) === node);
    local.forEach((device) => there.add(device));
    const devices = local.filter((device) => !taken.has(device)).slice(0, request.amount.val);
    if (devices.length < request.amount.val) return null;
    devices.forEach((device) => taken.add(device));
    assignments.push({ request: position, devices });
  }
  return assignments.length === 0 ? null : { assignments, spare: there.size - taken.size };
};
//@ end
//@ if allocation

export const allocation = {
//@ if select
  /** Which devices does a claim get? Those of one NUMA node, the one where the least is left over. */
  select: (_settings, situation) => {
    const nodes = new Set(situation.devices.pools.map((_, device) => numaNode(situation, device)));
    nodes.delete(undefined);
    const ways = [...nodes].map((node) => serve(situation, node)).filter((way) => way !== null);
    if (ways.length === 0) throw refusal("no NUMA node has enough free devices");
    const best = ways.reduce((best, way) => (way.spare < best.spare ? way : best));
    return [{ choice: { tag: "exact", val: best.assignments }, score: 100, reason: "all on one NUMA node" }];
  },
//@ end
//@ if not select
  // Exported with `place`, for an interface is exported whole; never called: `describe` does not name it.
  select: () => {
    throw refusal("this policy does not select");
  },
//@ end
//@ if place
  /** Which nodes does a domain get? Its members, then those with the most free devices. */
  place: (_settings, domain) => {
    if (domain.nodes.length < domain.nodesNeeded) throw refusal("there are not enough nodes");
    const members = new Set(domain.members);
    const others = domain.nodes.map((_, node) => node).filter((node) => !members.has(node));
    others.sort((a, b) => domain.nodes[b].freeDevices - domain.nodes[a].freeDevices || a - b);
    const nodes = [...members, ...others].slice(0, domain.nodesNeeded);
    return [{ nodes, score: 50, reason: "the nodes with the most free devices" }];
  },
//@ end
//@ if not place
  // Exported with `select`, for an interface is exported whole; never called: `describe` does not name it.
  place: () => {
    throw refusal("this policy places no domains");
  },
//@ end
};
//@ end
//@ if configuration

export const configuration = {
//@ if validate
  /** Are opaque parameters right? `{"label": "..."}` is all there is to write. */
  validate: (_settings, candidate) => {
    const fields = Object.entries(JSON.parse(candidate.json));
    return fields.flatMap(([field, value]) => {
      if (field !== "label") return [{ field, message: "unknown field; there is `label`" }];
      return typeof value === "string" ? [] : [{ field, message: "must be text" }];
    });
  },
//@ end
//@ if not validate
  // Exported whole; never called: `describe` does not name it.
  validate: () => [],
//@ end
//@ if prepare
  /**
   * What must be done before a claim's containers start? They are told how many devices they have.
   * An administrator must grant the variable: `grants: [{edits: {environment: [{name: ACCELERATORS}]}}]`.
   */
  prepare: (_settings, claim) => ({
    actions: [],
    edits: [{
      device: null,
      environment: [{ name: "ACCELERATORS", value: String(claim.devices.length) }],
      deviceNodes: [],
      mounts: [],
      hooks: [],
      networkInterfaces: [],
      additionalGroups: [],
      madeBy: [],
    }],
    statuses: [],
  }),
//@ end
//@ if not prepare
  // Exported whole; never called: `describe` does not name it.
  prepare: () => {
    throw refusal("this policy prepares nothing");
  },
//@ end
//@ if unprepare
  /** What must be undone when a claim is over? Nothing: the host takes back by itself what was planned. */
  unprepare: () => ({ actions: [], edits: [], statuses: [] }),
//@ end
//@ if not unprepare
  // Exported whole; never called: `describe` does not name it.
  unprepare: () => {
    throw refusal("this policy unprepares nothing");
  },
//@ end
};
//@ end
//@ if inventory
//@ if assess

/** The mark of a device that is not well. */
const UNHEALTHY = "gpu.example.com/unhealthy";
//@ end

export const inventory = {
//@ if publish
  /** What does a node announce? A device for each piece of hardware, in the order in which it was found. */
  publish: (_settings, hardware) => ({
    strings: hardware.units.map((_, unit) => `device-${unit}`),
    attributeNames: [],
    capacityNames: [],
    devices: hardware.units.map((_, unit) => ({ name: unit, unit, shareable: false })),
    attributes: [],
    capacities: [],
    counters: [],
    consumption: [],
    taints: [],
  }),
//@ end
//@ if not publish
  // Exported whole; never called: `describe` does not name it.
  publish: () => {
    throw refusal("this policy publishes nothing");
  },
//@ end
//@ if assess
  /** What follows from a health event? The device gets no new claims until it has recovered. */
  assess: (_settings, incident) => {
    const one = incident.event.device ?? null;
    const devices = one === null ? incident.devices.map((_, device) => device) : [one];
    if (incident.event.source === "recovered") {
      return incident.taints
        .filter((taint) => taint.key === UNHEALTHY && devices.includes(taint.device))
        .map(({ device, key }) => ({ tag: "clear", val: { device, key } }));
    }
    const value = incident.event.source;
    return devices.map((device) => ({
      tag: "set",
      val: { device, key: UNHEALTHY, value, effect: "no-schedule" },
    }));
  },
//@ end
//@ if not assess
  // Exported whole; never called: `describe` does not name it.
  assess: () => {
    throw refusal("this policy assesses nothing");
  },
//@ end
};
//@ end
