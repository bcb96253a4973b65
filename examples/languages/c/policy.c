/* Of the NVLink groups that can hold a request, take the tightest: the one where the least is left over.
 *
 * `policy.h` is generated from the contract by `supercargo policy build`; its comments are the documentation.
 * Nothing is freed: an instance lives for one call. */
#include <stdlib.h>
#include <string.h>

#include "policy.h"

typedef exports_supercargo_policy_allocation_situation_t situation_t;
typedef exports_supercargo_policy_allocation_request_t request_t;
typedef exports_supercargo_policy_allocation_value_t value_t;
typedef exports_supercargo_policy_allocation_assignment_t assignment_t;
typedef exports_supercargo_policy_allocation_proposal_t proposal_t;

static policy_string_t text(const char *literal) {
  return (policy_string_t){.ptr = (uint8_t *)literal, .len = strlen(literal)};
}

void exports_supercargo_policy_about_describe(exports_supercargo_policy_about_description_t *ret) {
  static policy_string_t attributes[1];
  attributes[0] = text("supercargo.dev/nvlinkGroup");
  *ret = (exports_supercargo_policy_about_description_t){
      .name = text("tightest-group-c"),
      .version = text("0.1.0"),
      .summary = text("Takes GPUs from the tightest NVLink group that holds the request"),
      .hooks = EXPORTS_SUPERCARGO_POLICY_ABOUT_HOOKS_SELECT,
      .interests = {.attributes = {.ptr = attributes, .len = 1}},
  };
}

/* One attribute is declared, so that of device i is entry i of the table. Equal groups have equal texts. */
static bool group_of(const situation_t *situation, uint32_t device, uint32_t *group) {
  const value_t *value = &situation->devices.attributes.ptr[device];
  if (value->tag != EXPORTS_SUPERCARGO_POLICY_TYPES_VALUE_STRING) return false;
  *group = value->val.string;
  return true;
}

/* How many free devices of the request's list are in the group. */
static size_t size_of(const situation_t *situation, const request_t *request, const bool *taken, uint32_t wanted) {
  size_t size = 0;
  for (size_t i = 0; i < request->devices.len; i++) {
    uint32_t device = request->devices.ptr[i], group;
    if (!taken[device] && group_of(situation, device, &group) && group == wanted) size++;
  }
  return size;
}

bool exports_supercargo_policy_allocation_select(policy_string_t *settings, situation_t *situation,
                                                 exports_supercargo_policy_allocation_list_proposal_t *ret,
                                                 exports_supercargo_policy_allocation_refusal_t *err) {
  bool *taken = calloc(situation->devices.pools.len, sizeof *taken);
  bool *seen = malloc(situation->strings.len * sizeof *seen);
  assignment_t *assignments = malloc(situation->requests.len * sizeof *assignments);
  size_t assigned = 0, asked = 0, held = 0;
  for (size_t r = 0; r < situation->requests.len; r++) {
    const request_t *request = &situation->requests.ptr[r];
    if (request->amount.tag != EXPORTS_SUPERCARGO_POLICY_ALLOCATION_AMOUNT_EXACTLY) continue;
    size_t count = request->amount.val.exactly;
    size_t best = 0;
    uint32_t best_group = 0;
    memset(seen, 0, situation->strings.len * sizeof *seen);
    for (size_t i = 0; i < request->devices.len; i++) {
      uint32_t device = request->devices.ptr[i], group;
      if (taken[device] || !group_of(situation, device, &group) || seen[group]) continue;
      seen[group] = true;
      size_t size = size_of(situation, request, taken, group);
      if (size >= count && (best == 0 || size < best)) best = size, best_group = group;
    }
    if (best == 0) continue;
    uint32_t *devices = malloc(count * sizeof *devices);
    size_t chosen = 0;
    for (size_t i = 0; i < request->devices.len && chosen < count; i++) {
      uint32_t device = request->devices.ptr[i], group;
      if (taken[device] || !group_of(situation, device, &group) || group != best_group) continue;
      taken[device] = true;
      devices[chosen++] = device;
    }
    assignments[assigned++] =
        (assignment_t){.request = (uint32_t)r, .devices = {.ptr = devices, .len = chosen}};
    asked += count;
    held += best;
  }
  if (assigned == 0) {
    err->reason = text("no NVLink group holds what is asked for");
    return false;
  }
  ret->ptr = malloc(sizeof *ret->ptr);
  ret->len = 1;
  ret->ptr[0] = (proposal_t){
      .choice = {.tag = EXPORTS_SUPERCARGO_POLICY_ALLOCATION_CHOICE_EXACT,
                 .val.exact = {.ptr = assignments, .len = assigned}},
      .score = 100.0 * (double)asked / (double)held,
      .reason = text("the tightest NVLink group that holds the request"),
  };
  return true;
}

/* Exported with `select`, for an interface is exported whole; never called, because `describe` does not name it. */
bool exports_supercargo_policy_allocation_place(policy_string_t *settings,
                                                exports_supercargo_policy_allocation_domain_t *domain,
                                                exports_supercargo_policy_allocation_list_node_set_t *ret,
                                                exports_supercargo_policy_allocation_refusal_t *err) {
  err->reason = text("this policy places no domains");
  return false;
}
