"""What is kept from an author: bundled tables, homes and ledgers, other jobs' folders.

Not covered: a table that is typed into a package's source.
"""

from __future__ import annotations

from typing import Final

from earnest.core.jobs import Limits
from earnest.sandbox.attacks.kit import Attack

LONG: Final = Limits(wall_s=60, cpu_s=55, workspace_mib=16)

ATTACKS: Final = (
    Attack(
        "loads_the_bundled_tables",
        "sealed",
        """
import importlib
def load(module, name):
    try: return len(getattr(importlib.import_module(module), name)().data)
    except (OSError, ImportError, AttributeError): return 0
for name in ("fair", "anes96", "co2", "sunspots", "longley", "macrodata"):
    attempt(name, lambda: load("statsmodels.datasets." + name, "load_pandas"))
for name in ("load_diabetes", "load_wine", "load_iris", "load_breast_cancer", "load_linnerud"):
    attempt(name, lambda: load("sklearn.datasets", name))
import numpy, statsmodels.api, sklearn.linear_model
x = numpy.arange(10.0)
fit = statsmodels.api.OLS(2 * x + 1, statsmodels.api.add_constant(x)).fit()
model = sklearn.linear_model.LinearRegression().fit(x[:, None], 2 * x)
control(lambda: abs(fit.params[1] - 2) < 1e-9 and abs(model.coef_[0] - 2) < 1e-9)
""",
        needs=("numpy", "sklearn", "statsmodels"),
        limits=LONG,
    ),
    Attack(
        "asks_packages_for_their_files",
        "sealed",
        """
import importlib, pkgutil
# by the loaders of packages rather than by the functions that they offer
for package, name in (("statsmodels.datasets.fair", "fair.csv"), ("sklearn.datasets.data",
    "iris.csv"),
                      ("statsmodels.datasets.anes96", "anes96.csv"), ("pandas",
            "tests/io/data/csv/iris.csv"),
                      ("matplotlib", "mpl-data/sample_data/goog.npz"), ("sklearn.datasets",
            "data/wine_data.csv"),
                      ("scipy.datasets", "face.dat"), ("numpy",
            "random/tests/data/mt19937-testset-1.csv")):
    def get():
        try: return pkgutil.get_data(package, name)
        except (ImportError, AttributeError): return None
    attempt(package, get)
def control_data():
    import numpy
    return pkgutil.get_data("numpy", "version.py")
control(control_data)
""",
        needs=("numpy",),
        limits=LONG,
    ),
    Attack(
        "looks_for_tables_by_their_format",
        "sealed",
        """
tails = (".csv", ".csv.gz", ".csv.bz2", ".tsv", ".dta", ".sav", ".parquet", ".feather", ".arff",
    ".npz",
         ".npy", ".h5", ".hdf5", ".rds", ".rda", ".rdata", ".sas7bdat", ".xls", ".xlsx", ".arff.gz",
         ".sqlite", ".pkl", ".pickle", ".mat", ".dat.gz", ".jsonl")
known = ("_sobol_direction_numbers.npz",)
looked = 0
for place, folders, files in os.walk("/"):
    if place == "/": folders[:] = [f for f in folders if f not in ("proc", "sys")]
    if place.startswith(("/earnest-jail/work", "/earnest-jail/data")): folders.clear(); continue
    for name in files:
        looked += 1
        path = os.path.join(place, name)
        if not name.lower().endswith(tails) or name in known or "/lib2to3/" in path: continue
        if os.path.getsize(path) > 1024:
            attempt(path, lambda: read(path, 64))
print("looked", looked)
control(lambda: looked > 300 and read("/earnest-jail/data/visible"))
""",
        works=True,
        limits=LONG,
    ),
    Attack(
        "reads_packages_of_the_machine",
        "sealed",
        """
import site, sysconfig
places = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"),
    "/usr/lib/python3/dist-packages",
          "/usr/lib/R/library", "/usr/local/lib/R/site-library", "/usr/share/R/library",
          *site.getsitepackages(), *glob.glob("/usr/lib/python3*/site-packages"),
          *glob.glob("/usr/local/lib/python3*/*-packages"),
          *glob.glob("/usr/local/lib/python3*/site-packages")]
for place in dict.fromkeys(places):
    attempt(place, lambda: [n for n in os.listdir(place) if n != "README.txt"][:5])
import zipfile
for path in glob.glob("/usr/share/python-wheels/*.whl"):
    if "pip" in path or "setuptools" in path: continue
    attempt(path, lambda: zipfile.ZipFile(path).namelist())
control(lambda: os.path.exists(os.__file__))
""",
        works=True,
    ),
    Attack(
        "reads_a_home_and_its_ledger",
        "sealed",
        """
for name in ("home/ledger/ledger.sqlite", "home/sealed/rows.csv", "home/keys/verifier.pem",
    ".ssh/id"):
    attempt(name, lambda: read("OUTSIDE/" + name))
homes = [*glob.glob("/home/*"), "/root", os.path.expanduser("~earnest"), "/var/lib/earnest"]
for home in homes:
    for name in (".earnest", ".local/share/earnest", ".ssh", ".netrc", ".aws", ".config", ".cache"):
        attempt(home, lambda: os.path.exists(os.path.join(home, name)))
for path in ("/etc/shadow", "/etc/passwd", "/etc/ssh", "/var/log", "/run/secrets"):
    attempt(path, lambda: os.path.isdir(path) and os.listdir(path) or read(path))
control(lambda: read("/earnest-jail/data/visible"))
""",
        works=True,
    ),
    Attack(
        "reads_another_jobs_folder",
        "sealed",
        """
# a job with a folder of its own runs meanwhile: its mount, its staging, its processes
for _ in range(8):
    attempt("source", lambda: read("OUTSIDE/other/rows"))
    for pattern in ("/proc/[0-9]*/root/earnest-jail/data/rows", "/earnest-jail/data*/rows",
                    "/earnest-jail/*/*/rows", "/mnt/*/rows", "/sys/[0-9]*/rows", "/srv/*/rows",
            "/media/*/rows",
                    "/tmp/*/rows", "/dev/shm/*/rows", "/proc/[0-9]*/cwd/rows"):
        for path in glob.glob(pattern): attempt(path, lambda: read(path))
    time.sleep(0.1)
control(lambda: read("/earnest-jail/data/visible"))
""",
        works=True,
        shares=True,
    ),
    Attack(
        "writes_to_its_data",
        "sealed",
        """
# what a job is given stays as it is: other jobs are given the same folder
path = "/earnest-jail/data/visible"
reader = os.open(path, os.O_RDONLY)
attempt("opened again", lambda: os.open(f"/proc/self/fd/{reader}", os.O_RDWR))
attempt("by root", lambda: os.open("/proc/self/root" + path, os.O_RDWR))
attempt("mapped", lambda: mmap.mmap(reader, 4, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))
attempt("new", lambda: open(os.path.dirname(path) + "/new-MARK", "w"))
attempt("attribute", lambda: os.setxattr(path, "user.a", b"1") or True)
attempt("mode", lambda: os.fchmod(reader, 0o600) or True)
attempt("times", lambda: os.utime(reader) or True)
attempt("space", lambda: os.posix_fallocate(reader, 0, 1 << 20) or True)
attempt("cloned", lambda: __import__("fcntl").ioctl(reader, 0x40049409, reader) == 0)
control(lambda: os.read(reader, 4) == b"seen")
""",
        works=True,
    ),
)
