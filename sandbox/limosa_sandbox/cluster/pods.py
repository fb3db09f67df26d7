"""Pods: the defaults a pod gets, what the API refuses, and what of a pod may still be changed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from limosa_sandbox.cluster import metadata
from limosa_sandbox.cluster.errors import Cause, duplicate, forbidden, invalid, required, unsupported
from limosa_sandbox.cluster.kinds import Kind, Object
from limosa_sandbox.cluster.quantities import parse_quantity

_ENV_NAME = re.compile(r"^[\x20-\x3c\x3e-\x7e]+$")
_CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")
_QOS = ("cpu", "memory")
_TERMINAL = ("Succeeded", "Failed")
_TOLERATIONS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def grace_period(pod: Object, seconds: int | None) -> int:
    """Return the seconds a deleted pod has to end: 0 when no node runs it."""
    if not pod["spec"].get("nodeName") or (pod.get("status") or {}).get("phase") in _TERMINAL:
        return 0
    if seconds is None:
        seconds = pod["spec"].get("terminationGracePeriodSeconds", 30)
    return int(seconds) if seconds >= 0 else 1


# -- defaults -----------------------------------------------------------------------------------------------------


def prepare_create(kind: Kind, obj: Object) -> Object:
    """Return a new pod with every default filled in and a fresh status; changes it in place."""
    spec = obj.get("spec")
    obj["metadata"]["generation"] = 1
    obj["status"] = {"phase": "Pending"}
    if not isinstance(spec, dict):
        return obj
    _default_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("serviceAccountName", spec.get("serviceAccount") or "default")
    spec["serviceAccount"] = spec["serviceAccountName"]
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("priority", 0)
    _tolerate_lost_node(spec)
    obj["status"]["qosClass"] = qos_class(spec)
    return obj


def prepare_template(kind: Kind, obj: Object) -> Object:
    """Return a new pod template with the defaults of its pod filled in; changes it in place."""
    spec = (obj.get("template") or {}).get("spec")
    if isinstance(spec, dict):
        _default_spec(spec)
    return obj


def _default_spec(spec: dict[str, Any]) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    for name in ("initContainers", "containers"):
        for container in spec.get(name) or []:
            if isinstance(container, dict):
                _default_container(container)
    for volume in spec.get("volumes") or []:
        _default_volume(volume)


def _tolerate_lost_node(spec: dict[str, Any]) -> None:
    tolerations = spec.setdefault("tolerations", [])
    for key in _TOLERATIONS:
        if not any(entry.get("key") in (key, None, "") for entry in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            )


def _default_container(container: dict[str, Any]) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    image = str(container.get("image") or "")
    container.setdefault("imagePullPolicy", "Always" if _tag(image) in ("", "latest") else "IfNotPresent")
    resources = container["resources"]
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or []:
        source = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(source, dict):
            source.setdefault("apiVersion", "v1")


def _tag(image: str) -> str:
    if "@" in image:
        return "@"
    return image.rpartition("/")[2].partition(":")[2]


def _default_volume(volume: dict[str, Any]) -> None:
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "projected", "downwardAPI"):
        if isinstance(volume.get(name), dict):
            volume[name].setdefault("defaultMode", 0o644)


def qos_class(spec: dict[str, Any]) -> str:
    """Return the pod's quality of service: ``Guaranteed``, ``Burstable`` or ``BestEffort``."""
    guaranteed, any_set = True, False
    for name in ("initContainers", "containers"):
        for container in spec.get(name) or []:
            resources = container.get("resources") if isinstance(container, dict) else None
            resources = resources if isinstance(resources, dict) else {}
            limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
            any_set = any_set or any(key in limits or key in requests for key in _QOS)
            guaranteed = guaranteed and all(
                key in limits and limits[key] == requests.get(key) for key in _QOS
            )
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


# -- validation ---------------------------------------------------------------------------------------------------


def validate(kind: Kind, obj: Object) -> list[Cause]:
    """Return what is wrong with a new pod."""
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return [required("spec.containers")]
    causes: list[Cause] = []
    volumes = _check_volumes(spec.get("volumes") or [], causes)
    if not spec.get("containers"):
        causes.append(required("spec.containers"))
    seen: set[str] = set()
    for name in _CONTAINER_LISTS:
        for index, container in enumerate(spec.get(name) or []):
            _check_container(container, f"spec.{name}[{index}]", volumes, seen, causes)
            restart = container.get("restartPolicy")
            if restart is not None and (name != "initContainers" or restart != "Always"):
                causes.append(unsupported(f"spec.{name}[{index}].restartPolicy", restart, ["Always"]))
    _check_policies(spec, causes)
    causes += metadata.check_labels(spec.get("nodeSelector"), "spec.nodeSelector")
    for field in ("serviceAccountName", "nodeName", "priorityClassName"):
        if spec.get(field):
            causes += metadata.check_name(spec[field], "subdomain", f"spec.{field}")
    if spec.get("hostname") and not metadata.is_dns_label(spec["hostname"]):
        causes += metadata.check_name(spec["hostname"], "label", "spec.hostname")
    for index, gate in enumerate(spec.get("schedulingGates") or []):
        if not gate.get("name"):
            causes.append(required(f"spec.schedulingGates[{index}].name"))
    return causes


def validate_template(kind: Kind, obj: Object) -> list[Cause]:
    """Return what is wrong with the pod of a pod template."""
    found = validate(kind, {"metadata": {}, "spec": (obj.get("template") or {}).get("spec")})
    return [replace(cause, field=f"template.{cause.field}") for cause in found]


def _check_policies(spec: dict[str, Any], causes: list[Cause]) -> None:
    if spec["restartPolicy"] not in ("Always", "Never", "OnFailure"):
        causes.append(
            unsupported("spec.restartPolicy", spec["restartPolicy"], ["Always", "Never", "OnFailure"])
        )
    dns = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]
    if spec["dnsPolicy"] not in dns:
        causes.append(unsupported("spec.dnsPolicy", spec["dnsPolicy"], dns))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline < 2**31:
        causes.append(
            invalid("spec.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")
        )
    for index, toleration in enumerate(spec.get("tolerations") or []):
        path = f"spec.tolerations[{index}]"
        operator, effect = toleration.get("operator") or "Equal", toleration.get("effect") or ""
        if operator not in ("Equal", "Exists"):
            causes.append(unsupported(f"{path}.operator", operator, ["Equal", "Exists"]))
        if not toleration.get("key") and operator != "Exists":
            causes.append(
                invalid(
                    f"{path}.operator",
                    operator,
                    'operator must be Exists when `key` is empty, which means "match all values and all keys"',
                )
            )
        if operator == "Exists" and toleration.get("value"):
            causes.append(
                invalid(
                    f"{path}.operator", toleration["value"], "value must be empty when `operator` is 'Exists'"
                )
            )
        if effect not in ("", "NoSchedule", "PreferNoSchedule", "NoExecute"):
            causes.append(
                unsupported(f"{path}.effect", effect, ["NoExecute", "NoSchedule", "PreferNoSchedule"])
            )


def _check_volumes(volumes: list[dict[str, Any]], causes: list[Cause]) -> set[str]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        path = f"spec.volumes[{index}]"
        name = volume.get("name") or ""
        if not name:
            causes.append(required(f"{path}.name"))
        elif not metadata.is_dns_label(name):
            causes += metadata.check_name(name, "label", f"{path}.name")
        if name in names:
            causes.append(duplicate(f"{path}.name", name))
        names.add(name)
        sources = [key for key in volume if key != "name"]
        if len(sources) > 1:
            causes.append(forbidden(f"{path}.{sources[1]}", "may not specify more than 1 volume type"))
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        if limit is not None:
            _check_amount(limit, f"{path}.emptyDir.sizeLimit", causes)
    return names


def _check_container(
    container: dict[str, Any], path: str, volumes: set[str], seen: set[str], causes: list[Cause]
) -> None:  # fmt: skip
    name = container.get("name") or ""
    if not name:
        causes.append(required(f"{path}.name"))
    elif not metadata.is_dns_label(name):
        causes += metadata.check_name(name, "label", f"{path}.name")
    elif name in seen:
        causes.append(duplicate(f"{path}.name", name))
    seen.add(name)
    image = container.get("image")
    if not image:
        causes.append(required(f"{path}.image"))
    elif image != image.strip():
        causes.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    policies = ["Always", "IfNotPresent", "Never"]
    if container.get("imagePullPolicy", "Always") not in policies:
        causes.append(unsupported(f"{path}.imagePullPolicy", container["imagePullPolicy"], policies))
    if container.get("terminationMessagePolicy", "File") not in ("File", "FallbackToLogsOnError"):
        causes.append(
            unsupported(f"{path}.terminationMessagePolicy", container["terminationMessagePolicy"], ["File", "FallbackToLogsOnError"])
        )  # fmt: skip
    _check_environment(container.get("env") or [], path, causes)
    _check_mounts(container.get("volumeMounts") or [], path, volumes, causes)
    _check_ports(container.get("ports") or [], path, causes)
    _check_resources(container.get("resources") or {}, f"{path}.resources", causes)


def _check_environment(variables: list[dict[str, Any]], path: str, causes: list[Cause]) -> None:
    for index, variable in enumerate(variables):
        place = f"{path}.env[{index}]"
        name = variable.get("name") or ""
        if not name:
            causes.append(required(f"{place}.name"))
        elif not _ENV_NAME.match(name):
            causes.append(
                invalid(f"{place}.name", name, "a valid environment variable name must consist only of printable ASCII characters other than '='")
            )  # fmt: skip
        source = variable.get("valueFrom")
        if source is not None and variable.get("value"):
            causes.append(invalid(f"{place}.valueFrom", "", "may not be specified when `value` is not empty"))
        if source is not None and len(source) != 1:
            text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            causes.append(
                invalid(
                    f"{place}.valueFrom",
                    "",
                    text if not source else "may not have more than one field specified at a time",
                )
            )


def _check_mounts(mounts: list[dict[str, Any]], path: str, volumes: set[str], causes: list[Cause]) -> None:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        place = f"{path}.volumeMounts[{index}]"
        if not mount.get("name"):
            causes.append(required(f"{place}.name"))
        elif mount["name"] not in volumes:
            causes.append(Cause(f"{place}.name", "FieldValueNotFound", f'Not found: "{mount["name"]}"'))
        where = mount.get("mountPath")
        if not where:
            causes.append(required(f"{place}.mountPath"))
        elif where in places:
            causes.append(invalid(f"{place}.mountPath", where, "must be unique"))
        places.add(where or "")


def _check_ports(ports: list[dict[str, Any]], path: str, causes: list[Cause]) -> None:
    for index, port in enumerate(ports):
        number = port.get("containerPort")
        if not number:
            causes.append(required(f"{path}.ports[{index}].containerPort"))
        elif not 0 < number < 65536:
            causes.append(
                invalid(
                    f"{path}.ports[{index}].containerPort", number, "must be between 1 and 65535, inclusive"
                )
            )
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            causes.append(
                unsupported(f"{path}.ports[{index}].protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"])
            )


def _check_resources(resources: dict[str, Any], path: str, causes: list[Cause]) -> None:
    amounts: dict[str, dict[str, Any]] = {}
    for side in ("limits", "requests"):
        amounts[side] = {}
        for name, value in (resources.get(side) or {}).items():
            amount = _check_amount(value, f"{path}.{side}[{name}]", causes)
            if amount is not None:
                amounts[side][name] = amount
            if not _is_resource_name(name):
                causes.append(
                    invalid(f"{path}.{side}[{name}]", name, "must be a standard resource type or fully qualified")
                )  # fmt: skip
    for name, amount in amounts["requests"].items():
        limit = amounts["limits"].get(name)
        if limit is not None and amount > limit:
            causes.append(
                invalid(f"{path}.requests", resources["requests"][name], f"must be less than or equal to {name} limit of {resources['limits'][name]}")
            )  # fmt: skip
        elif "/" in name and limit is None:
            causes.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        elif "/" in name and amount != limit:
            causes.append(
                invalid(f"{path}.requests", resources["requests"][name], f"must be equal to {name} limit of {resources['limits'][name]}")
            )  # fmt: skip


def _is_resource_name(name: str) -> bool:
    return name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-") or "/" in name


def _check_amount(value: Any, path: str, causes: list[Cause]) -> Any:
    try:
        amount = parse_quantity(value)
    except ValueError as error:
        causes.append(invalid(path, value, str(error)))
        return None
    if amount < 0:
        causes.append(invalid(path, value, "must be greater than or equal to 0"))
    return amount


# -- changes ------------------------------------------------------------------------------------------------------


def prepare_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> Object:
    """Return a changed pod; quality of service is decided once."""
    if subresource == "status" and isinstance(new.get("status"), dict):
        return {
            **new,
            "status": {**new["status"], "qosClass": (old.get("status") or {}).get("qosClass", "BestEffort")},
        }
    return new


def validate_update(kind: Kind, new: Object, old: Object, subresource: str | None) -> list[Cause]:
    """Return what is wrong with a change: of the specification little more than images may change."""
    if subresource == "status" or new.get("spec") == old.get("spec"):
        return []
    spec, before = new.get("spec") or {}, old["spec"]
    deadline, earlier = spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds")
    if deadline != earlier and earlier is not None and (deadline is None or deadline > earlier):
        return [
            invalid("spec.activeDeadlineSeconds", deadline, "must be less than or equal to previous value")
        ]
    if not _extends(spec.get("tolerations") or [], before.get("tolerations") or []):
        return [
            forbidden(
                "spec.tolerations", "existing toleration can not be modified except its tolerationSeconds"
            )
        ]
    if _fixed_part(spec) != _fixed_part(before):
        return [
            forbidden(
                "spec", "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
                "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
                "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
            )
        ]  # fmt: skip
    return []


def _extends(tolerations: list[Any], before: list[Any]) -> bool:
    return all(entry in tolerations for entry in before)


def _fixed_part(spec: dict[str, Any]) -> dict[str, Any]:
    fixed = {
        key: value
        for key, value in spec.items()
        if key not in ("activeDeadlineSeconds", "tolerations", "schedulingGates")
    }
    for name in ("containers", "initContainers"):
        if name in fixed:
            fixed[name] = [{**container, "image": ""} for container in fixed[name]]
    return fixed
