"""Tasks, workflows and launch plans."""

from limosa_admin import page_tokens
from limosa_admin.registration import Registration
from limosa_admin.request_errors import Reason, RequestError, check, nearest, not_found
from limosa_admin.rpc.call import Call
from limosa_admin.rpc.places import Places
from limosa_admin.store import entities
from limosa_admin.store.database import Database
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, LaunchPlanSpec
from limosa_model.names import check_name


class RegistryService:
    """Keeps specs as they were sent."""

    def __init__(self, database: Database, places: Places) -> None:
        self._database = database
        self._places = places

    def register(self, request: pb.RegisterRequest, call: Call) -> pb.RegisterResponse:
        """Registers everything or nothing."""
        self._places.check(call.identity, request.project, request.domain)
        self._places.check_served(call.identity, request.project, request.domain)
        check(check_name("version", request.version))
        registration = Registration(request)
        try:
            with self._database.transaction() as connection:
                elsewhere = {}
                for name in registration.workflows_elsewhere():
                    found = entities.find(connection, self._id(request, pb.ENTITY_KIND_WORKFLOW, name))
                    if found is not None:
                        elsewhere[name] = found[0].interface
                new = registration.entities(elsewhere)
                registered = entities.add(connection, new, call.identity.subject)
        except entities.VersionTakenError as error:
            raise RequestError(
                Reason.EXISTS,
                f"nothing was registered: '{error.entity.name}' has other contents in version {request.version} "
                f"of {request.project}/{request.domain}; choose a new version",
            ) from error
        return pb.RegisterResponse(entities=registered)

    def get_entity(self, request: pb.GetEntityRequest, call: Call) -> pb.Entity:
        """An entity with its spec."""
        self._places.check(call.identity, request.id.project, request.id.domain)
        if not request.id.kind:
            raise RequestError(Reason.INVALID, "say which kind of entity: task, workflow or launch plan")
        with self._database.transaction() as connection:
            found = entities.find(connection, request.id)
            names = [] if found else entities.names(connection, request.id)
        if found is None:
            version = f" version {request.id.version}" if request.id.version else ""
            what = f"'{request.id.name}'{version} in {request.id.project}/{request.id.domain}"
            raise not_found(what, nearest(request.id.name, names))
        entity, body = found
        if entity.id.kind == pb.ENTITY_KIND_TASK:
            entity.task.CopyFrom(TaskSpec.FromString(body))
        elif entity.id.kind == pb.ENTITY_KIND_WORKFLOW:
            entity.workflow.CopyFrom(Closure.FromString(body))
        else:
            entity.launch_plan.CopyFrom(LaunchPlanSpec.FromString(body))
        return entity

    def list_entities(self, request: pb.ListEntitiesRequest, call: Call) -> pb.ListEntitiesResponse:
        """A page of entities, newest version first."""
        self._places.check(call.identity, request.project, request.domain)
        limit = page_tokens.page_limit(request.limit)
        before = page_tokens.decode_number(request.page_token)
        with self._database.transaction() as connection:
            found, following = entities.list_page(connection, request, limit, before)
        return pb.ListEntitiesResponse(entities=found, next_page_token=page_tokens.encode(following))

    @staticmethod
    def _id(request: pb.RegisterRequest, kind: "pb.EntityKind.ValueType", name: str) -> pb.EntityId:
        return pb.EntityId(
            kind=kind, project=request.project, domain=request.domain, name=name, version=request.version
        )
