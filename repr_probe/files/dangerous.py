"""Names that no checkpoint needs and attacks are made of. Nothing a file names is ever imported here; a file with one of these is refused.

Such a name is a statement of intent: the weights beside it may be right, but somebody tampered with the file.
"""

from __future__ import annotations

# Whole modules: a name in one of them, or in a submodule, is refused.
MODULES = frozenset({
    "os", "posix", "nt", "ntpath", "posixpath", "subprocess", "_posixsubprocess", "pty", "sys", "importlib", "imp", "runpy", "pkgutil",
    "zipimport", "ctypes", "_ctypes", "cffi", "socket", "_socket", "ssl", "http", "httplib", "urllib", "urllib2", "requests", "aiohttp", "httpx",
    "ftplib", "smtplib", "telnetlib", "poplib", "imaplib", "nntplib", "xmlrpc", "webbrowser", "asyncio", "shutil", "tempfile", "fileinput",
    "linecache", "pip", "ensurepip", "venv", "setuptools", "distutils", "pydoc", "idlelib", "codeop", "bdb", "pdb", "cgitb", "doctest",
    "marshal", "shelve", "_pickle", "pickle", "cPickle", "xmlrpclib", "BaseHTTPServer", "SimpleHTTPServer", "CGIHTTPServer", "atexit",
    "torch.hub", "torch.package", "torch.utils.cpp_extension", "torch.utils.model_zoo",
    "torch._inductor.codecache", "torch.distributed.rpc", "torch.utils._config_module", "torch.utils.bottleneck", "torch.utils.collect_env",
    "numpy.f2py", "numpy.testing", "numpy.distutils",
})  # fmt: skip
# Single names of modules that are otherwise harmless.
NAMES = {
    "builtins": {
        "eval", "exec", "execfile", "compile", "open", "file", "getattr", "setattr", "delattr", "apply", "input", "raw_input", "breakpoint",
        "__import__", "globals", "locals", "vars", "help", "reload", "reduce", "map", "filter", "__build_class__",
    },
    "operator": {"attrgetter", "methodcaller", "call"},
    "_operator": {"attrgetter", "methodcaller", "call"},
    "functools": {"reduce"},
    "types": {"FunctionType", "LambdaType", "CodeType"},
    "io": {"open", "open_code", "FileIO"},
    "_io": {"open", "open_code", "FileIO"},
    "codecs": {"open"},
    "code": {"InteractiveInterpreter", "InteractiveConsole", "interact"},
    "platform": {"popen"},
    "profile": {"run", "runctx", "Profile"},
    "cProfile": {"run", "runctx", "Profile"},
    "trace": {"Trace"},
    "timeit": {"timeit", "repeat", "Timer"},
    "multiprocessing": {"Process", "Pool"},
    "cloudpickle.cloudpickle": {"_make_function", "_builtin_type", "subimport", "dynamic_subimport", "loads", "load"},
    "dill._dill": {"_import_module", "_create_function", "_create_code", "_eval_repr", "_get_attr", "loads", "load"},
    "dill": {"loads", "load"},
    "joblib": {"load"},
    "torch": {"load", "save", "compile"},
    "torch.serialization": {"load", "save"},
    "torch.jit": {"load", "CompilationUnit", "script", "trace"},
    "torch.ops": {"load_library"},
    "torch.storage": {"_load_from_bytes"},
    "numpy": {"load", "save", "fromfile", "memmap", "loadtxt", "genfromtxt", "savetxt"},
    "pandas": {"read_pickle", "eval"},
    "keras.models": {"load_model"},
}  # fmt: skip
# Names of Python 2, which protocols 0 to 2 still write today: subprocess is pickled as commands.
MODULE_OF_OLD = {"__builtin__": "builtins", "__builtins__": "builtins", "copy_reg": "copyreg", "commands": "subprocess"}


def is_dangerous(module: str, name: str) -> bool:
    """Whether `module.name` would hand a careless reader's machine to the author of the file.

    >>> is_dangerous("posix", "system"), is_dangerous("__builtin__", "eval"), is_dangerous("os.path", "join")
    (True, True, True)
    >>> is_dangerous("collections", "OrderedDict"), is_dangerous("builtins", "set"), is_dangerous("osmnx", "Graph")
    (False, False, False)
    """
    parts = [*MODULE_OF_OLD.get(module, module).split("."), *name.split(".")]
    for length in range(1, len(parts) + 1):
        parent = ".".join(parts[: length - 1])
        if ".".join(parts[:length]) in MODULES or parts[length - 1] in NAMES.get(parent, ()):
            return True
    # Protocol 4 names attributes by path: the way from any class to all of Python leads over __globals__, __subclasses__ and their like.
    return any(part.startswith("__") for part in name.split(".")[1:])
