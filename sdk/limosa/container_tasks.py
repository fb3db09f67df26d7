"""ContainerTask: any image in place of a function."""

from collections.abc import Mapping, Sequence
from typing import Any

from limosa.declared_tasks import DeclaredTask, check_names
from limosa.errors import LimosaError
from limosa.origin import caller, origin_of
from limosa_model.placeholders import wrong_placeholders
from limosa_model.raw_containers import INPUT_DIRECTORY, OUTPUT_DIRECTORY

_IN_PLACE = {"container_image": "write image=", "packages": "take an image that has them"}
"""What to do in place of options that concern the author's Python."""


class ContainerTask(DeclaredTask):
    """A task that runs a program of any image; the image needs nothing of Limosa, not even Python.

    Before it starts, each input lies in `input_directory`: a file or directory under its input's name, any other value as a
    file of text or JSON. `{{ .inputs.x }}` in command and args is the value itself, or the path of a file or directory;
    `{{ .outputs.y }}` is the path at which the program leaves an output: a file, a directory, or a file that holds a text or
    JSON. The two directories also stand in LIMOSA_INPUTS and LIMOSA_OUTPUTS. It runs as the platform's numeric user, without
    credentials. Exit code 0 means success; another one is a failure of the author's, which `retries` may try again.

    One output is what a call gives; several come as a NamedTuple. It runs on clusters with a container engine, so neither in runs
    here nor on the sandbox: stand in for it with `limosa.testing.patch`.

    Example:
        convert = ContainerTask(
            "convert",
            image="ghcr.io/team/converter:2.1",
            command=["convert", "{{ .inputs.source }}", "{{ .outputs.result }}", "--rate={{ .inputs.rate }}"],
            inputs={"source": File, "rate": float},
            outputs={"result": File},
        )
    """

    def __init__(
        self,
        name: str,
        image: str,
        command: Sequence[str] = (),
        args: Sequence[str] = (),
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        *,
        working_dir: str = "",
        input_directory: str = "",
        output_directory: str = "",
        **options: Any,
    ) -> None:
        """Takes the container.

        Args:
            name: Of the task, which a variable at the top level of its module holds.
            image: Of the container.
            command: Replaces the image's entry point. Empty: the image's own.
            args: Arguments of the command.
            inputs: Types by name.
            outputs: Types by name; tables are not among them.
            working_dir: Where it starts; by default as the image says.
            input_directory: Where inputs lie; /var/inputs by default.
            output_directory: Where outputs are left; /var/outputs by default.
            **options: As of @task, but for container_image.

        Raises:
            LimosaError: A name, a placeholder or an option makes no sense.
        """
        from limosa.options import task_options
        from limosa_idl.task.v1alpha1.task_pb2 import ContainerTask as ContainerSpec

        origin = caller()
        place = f"ContainerTask {name} ({origin})"
        given, results = dict(inputs or {}), dict(outputs or {})
        check_names(name, given, results, place)
        for what, words in (("command", command), ("args", args)):
            if isinstance(words, str) or not all(isinstance(word, str) for word in words):
                remedy = f'write {what}=["convert", "--rate={{{{ .inputs.rate }}}}"]'
                raise LimosaError("ContainerCommand", f"{what}={words!r} is no list of texts", place, remedy)
        for word in (*command, *args):
            for message, remedy in wrong_placeholders(word, given, results):
                raise LimosaError("Placeholder", message, place, remedy)
        for option in _IN_PLACE.keys() & options.keys():
            raise LimosaError("TaskOption", f"{option} belongs to functions", place, _IN_PLACE[option])
        self.container = ContainerSpec(
            command=command,
            args=args,
            working_dir=working_dir,
            input_directory=input_directory or INPUT_DIRECTORY,
            output_directory=output_directory or OUTPUT_DIRECTORY,
        )
        super().__init__(name, given, results, origin, task_options({**options, "container_image": image}))

    def declared_body(self) -> str:
        """The image, and what is run in it."""
        from limosa_model.digests import serialize

        assert self.container is not None
        return f"{self.options.container_image} {serialize(self.container).hex()}"

    def _run(self, arguments: Mapping[str, Any]) -> Any:
        image = self.options.container_image
        raise LimosaError(
            "ImageNotRunnable",
            f"{self.__name__} runs the image {image}, which needs a container engine: there is none in runs here, nor on the sandbox "
            "(limosa demo)",
            f"{self.name} ({origin_of(self.function)})",
            f"run it on a cluster (limosa config use CONTEXT, then limosa run --remote); in tests here, "
            f"with limosa.testing.patch({self.__name__}) as stand_in: stand_in.returns(…)",
        )
