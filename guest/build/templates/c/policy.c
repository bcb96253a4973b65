/* A policy: what it reads, and the answer to each question.
 *
 * `policy.h` is generated from the contract by `supercargo policy build` (build/generated/policy.h); its
 * comments are the documentation. Nothing is freed: an instance lives for one call. */
#include <stdlib.h>
#include <string.h>

#include "policy.h"

static policy_string_t text(const char *literal) {
  return (policy_string_t){.ptr = (uint8_t *)literal, .len = strlen(literal)};
}
//@ if assess

static bool same(policy_string_t one, policy_string_t other) {
  return one.len == other.len && memcmp(one.ptr, other.ptr, one.len) == 0;
}
//@ end

void exports_supercargo_policy_about_describe(exports_supercargo_policy_about_description_t *ret) {
//@ if select
  /* What is read of devices; nothing else is sent. */
  static policy_string_t attributes[1];
  attributes[0] = text("resource.kubernetes.io/numaNode");
//@ end
  *ret = (exports_supercargo_policy_about_description_t){
      .name = text("my-policy"),
      .version = text("0.1.0"),
      .summary = text("A policy for Kubernetes devices"),
      .hooks = @c-hooks@,
//@ if select
      .interests = {.attributes = {.ptr = attributes, .len = 1}},
//@ end
  };
}
//@ if select

typedef exports_supercargo_policy_allocation_situation_t situation_t;
typedef exports_supercargo_policy_allocation_request_t request_t;
typedef exports_supercargo_policy_allocation_value_t value_t;
typedef exports_supercargo_policy_allocation_assignment_t assignment_t;

/* One attribute is declared, so that of device i is entry i of the table. */
static bool numa_node(const situation_t *situation, uint32_t device, int64_t *node) {
  const value_t *value = &situation->devices.attributes.ptr[device];
  if (value->tag != EXPORTS_SUPERCARGO_POLICY_TYPES_VALUE_INT) return false;
  *node = value->val.int_;
  return true;
}

/* Serves every request from one NUMA node. Says how many devices would be left over there. */
static bool serve(const situation_t *situation, int64_t wanted, assignment_t *assignments, size_t *assigned,
                  size_t *spare) {
  bool *taken = calloc(situation->devices.pools.len, sizeof *taken);
  bool *there = calloc(situation->devices.pools.len, sizeof *there);
  *assigned = *spare = 0;
  for (size_t r = 0; r < situation->requests.len; r++) {
    const request_t *request = &situation->requests.ptr[r];
    /* Of the alternatives of one request the first, which the user likes best. Of `all` devices
     * there is nothing to choose. */
    if (r > 0 && situation->requests.ptr[r - 1].slot == request->slot) continue;
    if (request->amount.tag != EXPORTS_SUPERCARGO_POLICY_ALLOCATION_AMOUNT_EXACTLY) continue;
    size_t count = request->amount.val.exactly, chosen = 0;
    uint32_t *devices = malloc(count * sizeof *devices);
    for (size_t i = 0; i < request->devices.len; i++) {
      uint32_t device = request->devices.ptr[i];
      int64_t node;
      if (!numa_node(situation, device, &node) || node != wanted) continue;
      there[device] = true;
      if (taken[device] || chosen == count) continue;
      taken[device] = true;
      devices[chosen++] = device;
    }
    if (chosen < count) return false;
    assignments[(*assigned)++] =
        (assignment_t){.request = (uint32_t)r, .devices = {.ptr = devices, .len = count}};
  }
  for (size_t i = 0; i < situation->devices.pools.len; i++) *spare += there[i] && !taken[i];
  return *assigned > 0;
}
//@ end
//@ if allocation

//@ if select
/* Which devices does a claim get? One NUMA node, the one where the least is left over. */
//@ end
//@ if not select
/* Exported with its neighbours, for an interface is exported whole; never called, because `describe`
 * does not name it. */
//@ end
bool exports_supercargo_policy_allocation_select(policy_string_t *settings,
                                                 exports_supercargo_policy_allocation_situation_t *situation,
                                                 exports_supercargo_policy_allocation_list_proposal_t *ret,
                                                 exports_supercargo_policy_allocation_refusal_t *err) {
//@ if select
  assignment_t *best = NULL;
  size_t best_len = 0, best_spare = 0;
  for (size_t i = 0; i < situation->devices.pools.len; i++) {
    int64_t node;
    size_t len, spare;
    if (!numa_node(situation, (uint32_t)i, &node)) continue;
    assignment_t *assignments = malloc(situation->requests.len * sizeof *assignments);
    if (!serve(situation, node, assignments, &len, &spare)) continue;
    if (best == NULL || spare < best_spare) best = assignments, best_len = len, best_spare = spare;
  }
  if (best == NULL) {
    err->reason = text("no NUMA node has enough free devices");
    return false;
  }
  ret->ptr = malloc(sizeof *ret->ptr);
  ret->len = 1;
  ret->ptr[0] = (exports_supercargo_policy_allocation_proposal_t){
      .choice = {.tag = EXPORTS_SUPERCARGO_POLICY_ALLOCATION_CHOICE_EXACT,
                 .val.exact = {.ptr = best, .len = best_len}},
      .score = 100.0,
      .reason = text("all on one NUMA node"),
  };
  return true;
//@ end
//@ if not select
  err->reason = text("this policy does not select");
  return false;
//@ end
}

//@ if place
/* Which nodes does a domain get? Members, then the nodes with the most free devices. */
//@ end
//@ if not place
/* Exported with its neighbours, for an interface is exported whole; never called, because `describe`
 * does not name it. */
//@ end
bool exports_supercargo_policy_allocation_place(policy_string_t *settings,
                                                exports_supercargo_policy_allocation_domain_t *domain,
                                                exports_supercargo_policy_allocation_list_node_set_t *ret,
                                                exports_supercargo_policy_allocation_refusal_t *err) {
//@ if place
  size_t needed = domain->nodes_needed, chosen = 0;
  if (domain->nodes.len < needed) {
    err->reason = text("there are not enough nodes");
    return false;
  }
  bool *taken = calloc(domain->nodes.len, sizeof *taken);
  uint32_t *nodes = malloc(needed * sizeof *nodes);
  /* Members must stay. */
  for (size_t i = 0; i < domain->members.len && chosen < needed; i++) {
    taken[domain->members.ptr[i]] = true;
    nodes[chosen++] = domain->members.ptr[i];
  }
  while (chosen < needed) {
    size_t best = domain->nodes.len;
    for (size_t i = 0; i < domain->nodes.len; i++) {
      if (taken[i]) continue;
      if (best == domain->nodes.len || domain->nodes.ptr[i].free_devices > domain->nodes.ptr[best].free_devices)
        best = i;
    }
    taken[best] = true;
    nodes[chosen++] = (uint32_t)best;
  }
  ret->ptr = malloc(sizeof *ret->ptr);
  ret->len = 1;
  ret->ptr[0] = (exports_supercargo_policy_allocation_node_set_t){
      .nodes = {.ptr = nodes, .len = chosen},
      .score = 50.0,
      .reason = text("the nodes with the most free devices"),
  };
  return true;
//@ end
//@ if not place
  err->reason = text("this policy places no domains");
  return false;
//@ end
}
//@ end
//@ if configuration

//@ if validate
/* Are opaque parameters right? There are none to write. */
//@ end
//@ if not validate
/* Exported with its neighbours, for an interface is exported whole; never called, because `describe`
 * does not name it. */
//@ end
void exports_supercargo_policy_configuration_validate(
    policy_string_t *settings, exports_supercargo_policy_configuration_candidate_parameters_t *candidate,
    exports_supercargo_policy_configuration_list_violation_t *ret) {
//@ if validate
  if (candidate->json.len == 2 && memcmp(candidate->json.ptr, "{}", 2) == 0) {
    /* An empty list, too, has a pointer that is read. */
    ret->ptr = NULL;
    ret->len = 0;
    return;
  }
  ret->ptr = malloc(sizeof *ret->ptr);
  ret->len = 1;
  ret->ptr[0] = (exports_supercargo_policy_configuration_violation_t){
      .field = text(""),
      .message = text("this policy takes no parameters; write {}"),
  };
//@ end
//@ if not validate
  ret->ptr = NULL;
  ret->len = 0;
//@ end
}

//@ if prepare
/* What must be done before a claim's containers start? They are told how many devices they have.
 *
 * An administrator must grant the variable: grants: [{edits: {environment: [{name: ACCELERATORS}]}}]. */
//@ end
//@ if not prepare
/* Exported with its neighbours, for an interface is exported whole; never called, because `describe`
 * does not name it. */
//@ end
bool exports_supercargo_policy_configuration_prepare(
    policy_string_t *settings, exports_supercargo_policy_configuration_allocated_claim_t *claim,
    exports_supercargo_policy_configuration_plan_t *ret, exports_supercargo_policy_configuration_refusal_t *err) {
//@ if prepare
  /* The number of devices in decimal, from its last digit. */
  static char digits[21];
  char *count = &digits[sizeof digits - 1];
  for (size_t left = claim->devices.len; left > 0 || *count == '\0'; left /= 10) *--count = (char)('0' + left % 10);
  exports_supercargo_policy_configuration_variable_t *variable = malloc(sizeof *variable);
  *variable = (exports_supercargo_policy_configuration_variable_t){.name = text("ACCELERATORS"), .value = text(count)};
  *ret = (exports_supercargo_policy_configuration_plan_t){0};
  ret->edits.ptr = calloc(1, sizeof *ret->edits.ptr);
  ret->edits.len = 1;
  ret->edits.ptr[0].environment.ptr = variable;
  ret->edits.ptr[0].environment.len = 1;
  return true;
//@ end
//@ if not prepare
  err->reason = text("this policy prepares nothing");
  return false;
//@ end
}

//@ if unprepare
/* What must be undone when a claim is over? Nothing: the host takes back by itself what was planned. */
//@ end
//@ if not unprepare
/* Exported with its neighbours, for an interface is exported whole; never called, because `describe`
 * does not name it. */
//@ end
bool exports_supercargo_policy_configuration_unprepare(
    policy_string_t *settings, exports_supercargo_policy_configuration_allocated_claim_t *claim,
    exports_supercargo_policy_configuration_plan_t *ret, exports_supercargo_policy_configuration_refusal_t *err) {
//@ if unprepare
  *ret = (exports_supercargo_policy_configuration_plan_t){0};
  return true;
//@ end
//@ if not unprepare
  err->reason = text("this policy unprepares nothing");
  return false;
//@ end
}
//@ end
//@ if inventory

//@ if publish
/* What does a node announce? A device for each piece of hardware, in the order in which it was found. */
//@ end
//@ if not publish
/* Exported with its neighbours, for an interface is exported whole; never called, because `describe`
 * does not name it. */
//@ end
bool exports_supercargo_policy_inventory_publish(policy_string_t *settings,
                                                 exports_supercargo_policy_inventory_hardware_t *hardware,
                                                 exports_supercargo_policy_inventory_announcement_t *ret,
                                                 exports_supercargo_policy_inventory_refusal_t *err) {
//@ if publish
  static const char prefix[] = "device-";
  size_t units = hardware->units.len;
  *ret = (exports_supercargo_policy_inventory_announcement_t){0};
  ret->strings.ptr = malloc(units * sizeof *ret->strings.ptr);
  ret->strings.len = units;
  ret->devices.ptr = malloc(units * sizeof *ret->devices.ptr);
  ret->devices.len = units;
  for (size_t i = 0; i < units; i++) {
    char *name = malloc(sizeof prefix + 20), *end = name + sizeof prefix - 1;
    memcpy(name, prefix, sizeof prefix - 1);
    size_t place = 1;
    while (i / place >= 10) place *= 10;
    for (; place > 0; place /= 10) *end++ = (char)('0' + i / place % 10);
    ret->strings.ptr[i] = (policy_string_t){.ptr = (uint8_t *)name, .len = (size_t)(end - name)};
    ret->devices.ptr[i] = (exports_supercargo_policy_inventory_published_device_t){
        .name = (uint32_t)i, .unit = (uint32_t)i, .shareable = false};
  }
  return true;
//@ end
//@ if not publish
  err->reason = text("this policy publishes nothing");
  return false;
//@ end
}

//@ if assess
/* What follows from a health event? The device gets no new claims until it has recovered. */
//@ end
//@ if not assess
/* Exported with its neighbours, for an interface is exported whole; never called, because `describe`
 * does not name it. */
//@ end
bool exports_supercargo_policy_inventory_assess(policy_string_t *settings,
                                                exports_supercargo_policy_inventory_incident_t *incident,
                                                exports_supercargo_policy_inventory_list_taint_change_t *ret,
                                                exports_supercargo_policy_inventory_refusal_t *err) {
//@ if assess
  const policy_string_t unhealthy = text("gpu.example.com/unhealthy");
  uint32_t first = 0, end = (uint32_t)incident->devices.len;
  if (incident->event.device.is_some) first = incident->event.device.val, end = first + 1;
  ret->len = 0;
  if (same(incident->event.source, text("recovered"))) {
    ret->ptr = malloc(incident->taints.len * sizeof *ret->ptr);
    for (size_t i = 0; i < incident->taints.len; i++) {
      const exports_supercargo_policy_inventory_current_taint_t *taint = &incident->taints.ptr[i];
      if (taint->device < first || taint->device >= end || !same(taint->key, unhealthy)) continue;
      ret->ptr[ret->len++] = (exports_supercargo_policy_inventory_taint_change_t){
          .tag = EXPORTS_SUPERCARGO_POLICY_INVENTORY_TAINT_CHANGE_CLEAR,
          .val.clear = {.device = taint->device, .key = taint->key}};
    }
    return true;
  }
  ret->ptr = malloc((end - first) * sizeof *ret->ptr);
  for (uint32_t device = first; device < end; device++)
    ret->ptr[ret->len++] = (exports_supercargo_policy_inventory_taint_change_t){
        .tag = EXPORTS_SUPERCARGO_POLICY_INVENTORY_TAINT_CHANGE_SET,
        .val.set = {.device = device,
                    .key = unhealthy,
                    .value = incident->event.source,
                    .effect = EXPORTS_SUPERCARGO_POLICY_INVENTORY_TAINT_EFFECT_NO_SCHEDULE}};
  return true;
//@ end
//@ if not assess
  err->reason = text("this policy assesses nothing");
  return false;
//@ end
}
//@ end
