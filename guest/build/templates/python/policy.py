"""A policy: what it reads, and the answer to each question. It has no state: an instance lives for one call."""

#@ if validate
import json

#@ end
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import @py-modules@


class About(exports.About):
    def describe(self) -> about.Description:
        return about.Description(
            name="my-policy",
            version="0.1.0",
            summary="A policy for Kubernetes devices",
            hooks=@py-hooks@,
            # What is read of devices; nothing else is sent.
            interests=about.Interests(
#@ if select
                attributes=["resource.kubernetes.io/numaNode"],
#@ end
#@ if not select
                attributes=[],
#@ end
                capacities=[],
                node_labels=[],
                context=about.Context(0),
            ),
            settings_schema=None,
        )
#@ if select


def numa_node(situation: allocation.Situation, device: int) -> int | None:
    """One attribute is declared, so that of device i is entry i of the table."""
    value = situation.devices.attributes[device]
    return value.value if isinstance(value, types.Value_Int) else None


def serve(situation: allocation.Situation, node: int) -> tuple[int, list[allocation.Assignment]] | None:
    """Serves every request from one NUMA node. Says first how many devices would be left over there."""
    there: set[int] = set()
    taken: set[int] = set()
    assignments: list[allocation.Assignment] = []
    for position, request in enumerate(situation.requests):
        # Of the alternatives of one request the first, which the user likes best. Of `all` devices there is
        # nothing to choose.
        if position > 0 and situation.requests[position - 1].slot == request.slot:
            continue
        if not isinstance(request.amount, allocation.Amount_Exactly):
            continue
        local = [device for device in request.devices if numa_node(situation, device) == node]
        there.update(local)
        devices = [device for device in local if device not in taken][: request.amount.value]
        if len(devices) < request.amount.value:
            return None
        taken.update(devices)
        assignments.append(allocation.Assignment(position, devices))
    return (len(there) - len(taken), assignments) if assignments else None
#@ end
#@ if allocation


class Allocation(exports.Allocation):
#@ if select
    def select(self, settings: str, situation: allocation.Situation) -> list[allocation.Proposal]:
        """Which devices does a claim get? Those of one NUMA node, the one where the least is left over."""
        found = [numa_node(situation, device) for device in range(len(situation.devices.pools))]
        nodes = dict.fromkeys(node for node in found if node is not None)
        ways = [way for way in (serve(situation, node) for node in nodes) if way is not None]
        if not ways:
            raise Err(types.Refusal("no NUMA node has enough free devices"))
        _, assignments = min(ways, key=lambda way: way[0])
        return [allocation.Proposal(allocation.Choice_Exact(assignments), 100.0, "all on one NUMA node")]
#@ end
#@ if not select
    def select(self, settings: str, situation: allocation.Situation) -> list[allocation.Proposal]:
        """Exported whole; never called: `describe` does not name it."""
        raise Err(types.Refusal("this policy does not select"))
#@ end

#@ if place
    def place(self, settings: str, domain: allocation.Domain) -> list[allocation.NodeSet]:
        """Which nodes does a domain get? Its members, then those with the most free devices."""
        if len(domain.nodes) < domain.nodes_needed:
            raise Err(types.Refusal("there are not enough nodes"))
        others = [node for node in range(len(domain.nodes)) if node not in domain.members]
        others.sort(key=lambda node: -domain.nodes[node].free_devices)
        nodes = [*domain.members, *others][: domain.nodes_needed]
        return [allocation.NodeSet(nodes, 50.0, "the nodes with the most free devices")]
#@ end
#@ if not place
    def place(self, settings: str, domain: allocation.Domain) -> list[allocation.NodeSet]:
        """Exported whole; never called: `describe` does not name it."""
        raise Err(types.Refusal("this policy places no domains"))
#@ end
#@ end
#@ if configuration


class Configuration(exports.Configuration):
#@ if validate
    def validate(
        self, settings: str, candidate: configuration.CandidateParameters
    ) -> list[configuration.Violation]:
        """Are opaque parameters right? `{"label": "..."}` is all there is to write."""
        violations = []
        for field, value in json.loads(candidate.json).items():
            if field != "label":
                violations.append(configuration.Violation(field, "unknown field; there is `label`"))
            elif not isinstance(value, str):
                violations.append(configuration.Violation(field, "must be text"))
        return violations
#@ end
#@ if not validate
    def validate(
        self, settings: str, candidate: configuration.CandidateParameters
    ) -> list[configuration.Violation]:
        """Exported whole; never called: `describe` does not name it."""
        return []
#@ end

#@ if prepare
    def prepare(self, settings: str, claim: configuration.AllocatedClaim) -> configuration.Plan:
        """What must be done before a claim's containers start? They are told how many devices they have.

        An administrator must grant the variable: `grants: [{edits: {environment: [{name: ACCELERATORS}]}}]`.
        """
        count = configuration.Variable("ACCELERATORS", str(len(claim.devices)))
        edits = configuration.ContainerEdits(
            device=None,
            environment=[count],
            device_nodes=[],
            mounts=[],
            hooks=[],
            network_interfaces=[],
            additional_groups=[],
            made_by=[],
        )
        return configuration.Plan(actions=[], edits=[edits], statuses=[])
#@ end
#@ if not prepare
    def prepare(self, settings: str, claim: configuration.AllocatedClaim) -> configuration.Plan:
        """Exported whole; never called: `describe` does not name it."""
        raise Err(types.Refusal("this policy prepares nothing"))
#@ end

#@ if unprepare
    def unprepare(self, settings: str, claim: configuration.AllocatedClaim) -> configuration.Plan:
        """What must be undone when a claim is over? Nothing: the host takes back by itself what was planned."""
        return configuration.Plan(actions=[], edits=[], statuses=[])
#@ end
#@ if not unprepare
    def unprepare(self, settings: str, claim: configuration.AllocatedClaim) -> configuration.Plan:
        """Exported whole; never called: `describe` does not name it."""
        raise Err(types.Refusal("this policy unprepares nothing"))
#@ end
#@ end
#@ if inventory
#@ if assess


# The mark of a device that is not well.
UNHEALTHY = "gpu.example.com/unhealthy"
#@ end


class Inventory(exports.Inventory):
#@ if publish
    def publish(self, settings: str, hardware: inventory.Hardware) -> inventory.Announcement:
        """What does a node announce? A device for each piece of hardware, in the order in which it was found."""
        units = range(len(hardware.units))
        return inventory.Announcement(
            strings=[f"device-{unit}" for unit in units],
            attribute_names=[],
            capacity_names=[],
            devices=[inventory.PublishedDevice(name=unit, unit=unit, shareable=False) for unit in units],
            attributes=[],
            capacities=[],
            counters=[],
            consumption=[],
            taints=[],
        )
#@ end
#@ if not publish
    def publish(self, settings: str, hardware: inventory.Hardware) -> inventory.Announcement:
        """Exported whole; never called: `describe` does not name it."""
        raise Err(types.Refusal("this policy publishes nothing"))
#@ end

#@ if assess
    def assess(self, settings: str, incident: inventory.Incident) -> list[inventory.TaintChange]:
        """What follows from a health event? The device gets no new claims until it has recovered."""
        one = incident.event.device
        devices = range(len(incident.devices)) if one is None else [one]
        if incident.event.source == "recovered":
            return [
                inventory.TaintChange_Clear(inventory.ClearedTaint(taint.device, taint.key))
                for taint in incident.taints
                if taint.key == UNHEALTHY and taint.device in devices
            ]
        effect = inventory.TaintEffect.NO_SCHEDULE
        source = incident.event.source
        return [
            inventory.TaintChange_Set(inventory.Taint(device, UNHEALTHY, source, effect)) for device in devices
        ]
#@ end
#@ if not assess
    def assess(self, settings: str, incident: inventory.Incident) -> list[inventory.TaintChange]:
        """Exported whole; never called: `describe` does not name it."""
        raise Err(types.Refusal("this policy assesses nothing"))
#@ end
#@ end
