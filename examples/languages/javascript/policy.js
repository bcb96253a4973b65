// Of the NVLink groups that can hold a request, take the tightest: the one where the least is left over.
//
// One attribute is declared, so that of device i is entry i of the table. Equal groups have equal texts,
// so they are compared without being read.

const refusal = (reason) => ({ reason });

const groupOf = (situation, device) => {
  const value = situation.devices.attributes[device];
  return value.tag === "string" ? value.val : undefined;
};

/** The free devices of a request's list, by group, in the order in which the groups come. */
const groupsOf = (situation, request, taken) => {
  const groups = new Map();
  for (const device of request.devices) {
    const group = groupOf(situation, device);
    if (group === undefined || taken.has(device)) continue;
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(device);
  }
  return [...groups.values()];
};

export const about = {
  describe: () => ({
    name: "tightest-group-js",
    version: "0.1.0",
    summary: "Takes GPUs from the tightest NVLink group that holds the request",
    hooks: { select: true },
    interests: { attributes: ["supercargo.dev/nvlinkGroup"], capacities: [], nodeLabels: [], context: {} },
    settingsSchema: null,
  }),
};

export const allocation = {
  select: (_settings, situation) => {
    const taken = new Set();
    const assignments = [];
    let wanted = 0;
    let held = 0;
    situation.requests.forEach((request, position) => {
      if (request.amount.tag !== "exactly") return;
      const count = request.amount.val;
      const fitting = groupsOf(situation, request, taken).filter((group) => group.length >= count);
      if (fitting.length === 0) return;
      const tightest = fitting.reduce((best, group) => (group.length < best.length ? group : best));
      const devices = tightest.slice(0, count);
      devices.forEach((device) => taken.add(device));
      assignments.push({ request: position, devices });
      wanted += count;
      held += tightest.length;
    });
    if (assignments.length === 0) throw refusal("no NVLink group holds what is asked for");
    return [{
      choice: { tag: "exact", val: assignments },
      score: (100 * wanted) / held,
      reason: "the tightest NVLink group that holds the request",
    }];
  },
  // Exported with `select`, for an interface is exported whole; never called, because `describe` does not name it.
  place: () => {
    throw refusal("this policy places no domains");
  },
};
