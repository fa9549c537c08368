"""A demo page in the browser: upload a picture, see the prediction.

It is made with gradio (the extra `demo`). Nothing is sent anywhere: gradio's analytics are off, and
a content security policy in every response forbids the page to load anything from elsewhere.
"""

import html
import json
import logging
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vision.errors import ConfigError, VisionError
from vision.kinds import DESIGNS
from vision.predict.demo_hosts import HostGuard, KnownHosts
from vision.predict.demo_view import Number, View
from vision.predict.model import Model
from vision.predict.results import import_optional
from vision.task_parts import find_part
from vision.wording import counted

if TYPE_CHECKING:
    import gradio

logger = logging.getLogger(__name__)

EXTRA = "demo"
# Read by gradio and the packages it imports.
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
# Number of pictures kept for download, and how long gradio keeps uploads, in seconds.
KEPT = 32
KEPT_S = 3600
LARGEST_FILE = "100mb"
# Letters of a picture's name, of up to four bytes each.
MAX_STEM = 50
MAX_NAMES = 100
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "form-action 'self'; base-uri 'self'"
)
CSS = """
.found h3{margin:0 0 .4rem;font-size:1.25rem;overflow-wrap:anywhere}
.found p{margin:0}
.found .problem{color:#b3261e;border-left:3px solid currentColor;padding-left:.6rem;
overflow-wrap:anywhere}
.dark .found .problem{color:#ff8a80}
.found .dot{display:inline-block;width:.8em;height:.8em;border-radius:.2em;flex:none;
border:1px solid var(--border-color-primary)}
.found .share{display:grid;grid-template-columns:auto minmax(0,1fr) auto;gap:.1rem .5rem;
align-items:center;margin:.3rem 0;overflow-wrap:anywhere}
.found .share b{font-variant-numeric:tabular-nums;font-weight:600}
.found .share i{grid-column:1/-1;height:.5rem;border-radius:.25rem;overflow:hidden;
background:var(--border-color-primary)}
.found .share u{display:block;height:100%;border-radius:.25rem}
.found .chips{display:flex;flex-wrap:wrap;gap:.4rem;list-style:none;margin:0;padding:0}
.found .chips li{display:flex;gap:.4rem;align-items:center;padding:.15rem .6rem;margin:0;
border:1px solid var(--border-color-primary);border-radius:1rem;overflow-wrap:anywhere}
.facts dl{display:grid;grid-template-columns:minmax(6rem,max-content) minmax(0,1fr);
gap:.25rem 1rem;margin:0}
.facts dt{color:var(--body-text-color-subdued)}
.facts dd{margin:0;overflow-wrap:anywhere}
.title h1{margin:0;font-size:1.6rem;overflow-wrap:anywhere}
.title p{margin:.2rem 0 0;color:var(--body-text-color-subdued)}
"""

# Value of each part of the page that a result fills: picture, summary, table, JSON, download.
Shown = tuple[str | None, str, list[list[Any]], Any, Any]


class Demo:
    """The behaviour of the page, apart from its layout.

    Args:
        model: The model.

    Attributes:
        view: Shows its results.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.view: View = find_part(model.task, "demo_view")(len(model.class_names))
        # Removed with the page.
        self._folder = tempfile.TemporaryDirectory(prefix="vision_demo_")
        self._files: deque[Path] = deque()
        self._count = 0

    def predict(
        self, given: str | Sequence[str] | None, setting: Any, number: float | None = None
    ) -> tuple[Any, Shown]:
        """Predict a picture, and show the result at the setting of the slider.

        The model runs once per picture: moving the slider filters the result.

        Args:
            given: The file, or the files of one subject; None if they were removed.
            setting: Value of the slider, as the view's `setting` gives it.
            number: Value of the field of the view, if it has one; None if it is empty.

        Returns:
            The result, None if there is none, and the values of the parts of the page.
        """
        if not given:
            return None, self.nothing()
        files = [given] if isinstance(given, str) else [*given]
        try:
            options = {} if self.view.number is None else self.view.options(number or 0.0)
            # Objects of any score, which the slider then filters.
            source = files[0] if len(files) == 1 else tuple(files)
            result = self.model.predict_image(source, threshold=0.0, **options)
            return result, self.show(result, setting)
        except VisionError as error:
            # The visitor knows the file's name, and not where this page keeps it.
            text = str(error)
            for file in files:
                text = text.replace(file, Path(file).name)
            logger.warning("%s", error)
            return None, self.fail(text)

    def show(self, result: Any, setting: Any) -> Shown:
        """Show a result at the slider's setting.

        Args:
            result: The result; None before there is one.
            setting: As in `predict`.
        """
        if result is None:
            return self.nothing()
        name = Path(result.path or "picture").stem.removesuffix(".nii")
        file = self._save(self.view.draw(result, setting), name)
        chosen = self.view.chosen(result, setting).to_dict(masks=False)
        chosen["path"] = Path(result.path).name if result.path else None
        return (
            str(file),
            _found(self.view.summary(result, setting)),
            self.view.rows(result, setting),
            json.loads(json.dumps(chosen)),
            str(file),
        )

    def fail(self, problem: str) -> Shown:
        """Show an error, and clear the earlier result."""
        return self.empty(f'<p class="problem" role="alert">{html.escape(problem)}</p>')

    def nothing(self) -> Shown:
        """Show what is to be given."""
        return self.empty(f"<p>{html.escape(self.view.hint)}</p>")

    def empty(self, words: str) -> Shown:
        """Show only text, given as markup."""
        return None, _found(words), [], None, None

    def _save(self, picture: Any, stem: str) -> Path:
        """Write a picture to show and download; the oldest ones are deleted."""
        self._count += 1
        folder = Path(self._folder.name) / str(self._count)
        folder.mkdir()
        file = folder / f"{stem[:MAX_STEM]}_{self.model.kind}.png"
        picture.save(file)
        self._files.append(file)
        while len(self._files) > KEPT:
            oldest = self._files.popleft()
            oldest.unlink(missing_ok=True)
            oldest.parent.rmdir()
        return file


def _found(markup: str) -> str:
    return f'<div class="found">{markup}</div>'


def describe_model(model: Model) -> list[tuple[str, str]]:
    """Facts about a model: its task, classes, training, preprocessing, metrics.

    Returns:
        Names and values, for people.
    """
    described = model.description
    arguments = described["hyper_parameters"]
    designs = [*map(arguments.get, DESIGNS), described["backbone"]]
    names = model.class_names
    shown = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    averaged = ", averaged weights (EMA)" if described["averaged"] else ""
    prepared = model.preprocessing or {}
    facts = [
        ("Task", model.kind),
        ("Model", " ".join(str(design) for design in designs if design)),
        ("Parameters", f"{sum(p.numel() for p in model.task.parameters()):,}"),
        *([("Classes", f"{len(names)}: {shown}")] if names else []),
        (
            "Trained",
            f"{counted(described['epoch'], 'epochs')}, "
            f"{counted(described['step'], 'steps')}{averaged}",
        ),
        ("Data", described["data"] or "not known"),
        (
            "Preprocessing",
            ", ".join(f"{key} {value}" for key, value in prepared.items()) or "not known",
        ),
        *((name, f"{value:.4f}") for name, value in described["metrics"].items()),
        ("Suite", f"vision {described['version']}"),
        ("File", model.path.name if model.path else "none"),
        ("Computes on", str(model.device)),
    ]
    return facts


def build_demo(model: Model, *, examples: Iterable[str | Path] = ()) -> "gradio.Blocks":
    """Make the page to try a model; `launch_demo` serves it.

    Args:
        model: The model.
        examples: Example pictures to choose from.

    Raises:
        ConfigError: Its task has no demo page, or an example is not a file.
        MissingPackageError: gradio is not installed.
    """
    demo = Demo(model)
    gradio = _import_gradio()
    pictures = [str(path) for path in examples]
    for path in pictures:
        if not Path(path).is_file():
            raise ConfigError(f"there is no example picture '{path}'.")
    title = f"{describe_model(model)[1][1]}: {model.kind}"
    with gradio.Blocks(
        title=title, analytics_enabled=False, delete_cache=(KEPT_S, KEPT_S), fill_width=False
    ) as blocks:
        count = len(model.class_names)
        known = f"{counted(count, 'classes')}. " if count else ""
        known += f"Upload a {demo.view.given} to see the predictions."
        gradio.HTML(f'<div class="title"><h1>{html.escape(title)}</h1><p>{known}</p></div>')
        _lay_out(gradio, demo, pictures)
    return blocks


def _lay_out(gradio: Any, demo: Demo, pictures: Sequence[str]) -> None:
    """The parts of the page."""
    with gradio.Row():
        with gradio.Column(min_width=300):
            given = _upload(gradio, demo.view)
            settings = [
                gradio.Slider(
                    control.low,
                    control.high,
                    value=control.value,
                    step=control.step,
                    label=control.label,
                    info=control.about,
                    elem_id=f"setting{place or ''}",
                )
                for place, control in enumerate(demo.view.controls)
            ]
            numbers = [_number_field(gradio, one) for one in [demo.view.number] if one is not None]
            if pictures:
                several = [[[path] if demo.view.suffixes else path] for path in pictures]
                gradio.Examples(several, inputs=[given], label="Examples")
        with gradio.Column(min_width=300):
            drawn = gradio.Image(
                label="Result",
                interactive=False,
                format="png",
                height=380,
                buttons=["fullscreen"],
                elem_id="drawn",
            )
            summary = gradio.HTML(demo.nothing()[1], elem_id="summary")
            download = gradio.DownloadButton(
                "Download the picture", interactive=False, elem_id="download"
            )
    with gradio.Accordion("Table", open=True):
        table = gradio.Dataframe(
            headers=list(demo.view.headings),
            datatype="str",
            interactive=False,
            show_label=False,
            max_height=320,
            buttons=["copy"],
            elem_id="table",
        )
    with gradio.Accordion("JSON", open=False):
        plain = gradio.JSON(show_label=False, max_height=320, elem_id="json")
    with gradio.Accordion("About the model", open=False):
        gradio.HTML(_facts(demo.model))
    fields = Fields(given, settings, numbers)
    _wire(gradio, demo, fields, [drawn, summary, table, plain, download])


class Fields(NamedTuple):
    """What a visitor fills in.

    Attributes:
        given: The picture, or the files.
        settings: The sliders.
        numbers: The field for a number, if there is one.
    """

    given: Any
    settings: Sequence[Any]
    numbers: Sequence[Any]


def _upload(gradio: Any, view: View) -> Any:
    """Where a picture is given, or files."""
    shared = {"label": view.given.capitalize(), "height": 380, "elem_id": "given"}
    if view.suffixes:
        return gradio.File(
            type="filepath", file_count="multiple", file_types=[*view.suffixes], **shared
        )
    return gradio.Image(
        type="filepath",
        image_mode=None,  # unconverted: the model's own reader handles all modes
        sources=["upload", "clipboard", "webcam"],
        **shared,
    )


def _number_field(gradio: Any, number: Number) -> Any:
    return gradio.Number(
        value=number.value, label=number.label, info=number.about, elem_id="number"
    )


def _wire(gradio: Any, demo: Demo, fields: Fields, parts: Sequence[Any]) -> None:
    """Connect the events: a new picture or number, and a moved slider.

    Args:
        gradio: The package.
        demo: Handles the events.
        fields: The inputs.
        parts: The outputs: picture, summary, table, JSON, download.
    """
    result = gradio.State(None, time_to_live=KEPT_S)
    sliders = len(fields.settings)
    inputs = [fields.given, *fields.settings, *fields.numbers]

    def fill(shown: Shown) -> list[Any]:
        *others, file = shown
        return [*others, gradio.DownloadButton(value=file, interactive=file is not None)]

    def predict(given: Any, *values: Any) -> list[Any]:
        setting = demo.view.setting(values[:sliders])
        found, shown = demo.predict(given, setting, *values[sliders:])
        return [found, *fill(shown)]

    def fail() -> list[Any]:
        return [None, *fill(demo.fail(demo.view.unreadable))]

    def move(found: Any, *values: float) -> list[Any]:
        return fill(demo.show(found, demo.view.setting(values)))

    own = {"api_visibility": "private", "concurrency_limit": 1}
    asked = fields.given.change(predict, inputs, [result, *parts], **own)
    # Files that gradio cannot open do not reach the model.
    asked.failure(fail, None, [result, *parts], **own)
    for number in fields.numbers:
        number.change(predict, inputs, [result, *parts], trigger_mode="always_last", **own)
    moved = {**own, "trigger_mode": "always_last", "show_progress": "hidden"}
    for slider in fields.settings:
        slider.change(move, [result, *fields.settings], list(parts), **moved)


def _facts(model: Model) -> str:
    items = (
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in describe_model(model)
    )
    return f'<div class="facts"><dl>{"".join(items)}</dl></div>'


def launch_demo(
    blocks: "gradio.Blocks",
    *,
    host: str = "127.0.0.1",
    port: int | None = 7860,
    share: bool = False,
    names: Iterable[str] = (),
    block: bool = True,
) -> str:
    """Serve the page.

    Args:
        blocks: Result of `build_demo`.
        host: Address to listen at; "0.0.0.0" lets other machines in.
        port: Port to listen at; None uses a free one.
        share: Whether to publish the page on the internet through gradio's servers. All uploads
            then go through them.
        names: Further host names that the page accepts, beside `host` and this machine's names;
            others are refused, against DNS rebinding.
        block: Whether to wait until the page is ended with Ctrl+C.

    Returns:
        Address of the page.

    Raises:
        ConfigError: The port is taken.
    """
    gradio = _import_gradio()
    from starlette.middleware import Middleware

    hosts = KnownHosts(host, names)
    middleware = [Middleware(Policy), Middleware(HostGuard, hosts=hosts)]
    try:
        _, local, _ = blocks.launch(
            server_name=host,
            server_port=port,
            share=share,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,  # the page shows errors itself, without paths of this machine
            max_file_size=LARGEST_FILE,
            allowed_paths=[],
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            theme=_theme(gradio),
            css=CSS,
            app_kwargs={"middleware": middleware, "docs_url": None, "redoc_url": None},
        )
    except OSError as error:
        raise ConfigError(
            f"the page cannot be served at {host}, port {port}: {error}. Give another --port."
        ) from error
    address = blocks.share_url or local
    hosts.add(address)
    if block:
        logger.info("the page is at %s", address)
        blocks.block_thread()
    return address


def _theme(gradio: Any) -> Any:
    """A theme with system fonts, and small print with enough contrast."""
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
    )


class Policy:
    """Adds a policy to every response: the page may load only from this server.

    Args:
        app: The server, as ASGI.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""

        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                more = [
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                ]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        await self.app(scope, receive, send_with_policy if scope["type"] == "http" else send)


def _import_gradio() -> Any:
    # Gradio contacts its own server when imported unless this is switched off before.
    os.environ.update(QUIET)
    return import_optional("gradio", extra=EXTRA)
