"""Of the NVLink groups that can hold a request, take the tightest: the one where the least is left over.

One attribute is declared, so that of device i is entry i of the table. Equal groups have equal texts, so they
are compared without being read.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import about, allocation, types


class About(exports.About):
    def describe(self) -> about.Description:
        return about.Description(
            name="tightest-group-py",
            version="0.1.0",
            summary="Takes GPUs from the tightest NVLink group that holds the request",
            hooks=about.Hooks.SELECT,
            interests=about.Interests(
                attributes=["supercargo.dev/nvlinkGroup"],
                capacities=[],
                node_labels=[],
                context=about.Context(0),
            ),
            settings_schema=None,
        )


def groups_of(situation: allocation.Situation, request: allocation.Request, taken: set[int]) -> list[list[int]]:
    """The free devices of a request's list, by group, in the order in which the groups come."""
    groups: dict[int, list[int]] = {}
    for device in request.devices:
        value = situation.devices.attributes[device]
        if isinstance(value, types.Value_String) and device not in taken:
            groups.setdefault(value.value, []).append(device)
    return list(groups.values())


class Allocation(exports.Allocation):
    def select(self, settings: str, situation: allocation.Situation) -> list[allocation.Proposal]:
        taken: set[int] = set()
        assignments: list[allocation.Assignment] = []
        wanted = held = 0
        for position, request in enumerate(situation.requests):
            if not isinstance(request.amount, allocation.Amount_Exactly):
                continue
            count = request.amount.value
            fitting = [group for group in groups_of(situation, request, taken) if len(group) >= count]
            if not fitting:
                continue
            tightest = min(fitting, key=len)
            taken.update(tightest[:count])
            assignments.append(allocation.Assignment(position, tightest[:count]))
            wanted += count
            held += len(tightest)
        if not assignments:
            raise Err(types.Refusal("no NVLink group holds what is asked for"))
        return [
            allocation.Proposal(
                allocation.Choice_Exact(assignments),
                100 * wanted / held,
                "the tightest NVLink group that holds the request",
            )
        ]

    def place(self, settings: str, domain: allocation.Domain) -> list[allocation.NodeSet]:
        """Exported with `select`, for an interface is exported whole; never called: `describe` does not name it."""
        raise Err(types.Refusal("this policy places no domains"))
