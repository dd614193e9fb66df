"""Every table that nobody here wrote reads, or fails with the right reason.

Looked for in `$EARNEST_SHARED_DATA`, else in `shared/data` beside the repository.
"""

import os
from pathlib import Path

import pytest

from earnest.core.columns import read_cells
from earnest.core.errors import TableError
from earnest.tasks.registry import Registry

DATA = Path(
    os.environ.get("EARNEST_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
ROWS = {
    "fivethirtyeight/alcohol-consumption/drinks.csv.gz": 193,
    "fivethirtyeight/candy-power-ranking/candy-data.csv.gz": 85,
    "fivethirtyeight/comic-characters/dc-wikia-data.csv.gz": 6896,
    "fivethirtyeight/comic-characters/marvel-wikia-data.csv.gz": 16376,
    "seaborn_data/anscombe.csv.gz": 44,
    "seaborn_data/car_crashes.csv.gz": 51,
    "seaborn_data/diamonds.csv.gz": 53940,
    "seaborn_data/dowjones.csv.gz": 649,
    "seaborn_data/exercise.csv.gz": 90,
    "seaborn_data/flights.csv.gz": 144,
    "seaborn_data/fmri.csv.gz": 1064,
    "seaborn_data/geyser.csv.gz": 272,
    "seaborn_data/glue.csv.gz": 64,
    "seaborn_data/healthexp.csv.gz": 274,
    "seaborn_data/iris.csv.gz": 150,
    "seaborn_data/mpg.csv.gz": 398,
    "seaborn_data/penguins.csv.gz": 344,
    "seaborn_data/planets.csv.gz": 1035,
    "seaborn_data/seaice.csv.gz": 13175,
    "seaborn_data/taxis.csv.gz": 6433,
    "seaborn_data/tips.csv.gz": 244,
    "seaborn_data/titanic.csv.gz": 891,
    "vega_datasets/anscombe.json.gz": 44,
    "vega_datasets/birdstrikes.csv.gz": 10000,
    "vega_datasets/burtin.json.gz": "has 16 rows: too few",
    "vega_datasets/cars.json.gz": 406,
    "vega_datasets/crimea.json.gz": "has 24 rows: too few",
    "vega_datasets/disasters.csv.gz": 803,
    "vega_datasets/driving.json.gz": 55,
    "vega_datasets/gapminder-health-income.csv.gz": 187,
    "vega_datasets/gapminder.json.gz": 682,
    "vega_datasets/global-temp.csv.gz": 144,
    "vega_datasets/iowa-electricity.csv.gz": 51,
    "vega_datasets/la-riots.csv.gz": 63,
    "vega_datasets/monarchs.json.gz": "has 12 rows: too few",
    "vega_datasets/movies.json.gz": 3201,
    "vega_datasets/obesity.json.gz": 50,
    "vega_datasets/penguins.json.gz": 344,
    "vega_datasets/population_engineers_hurricanes.csv.gz": 52,
    "vega_datasets/seattle-weather.csv.gz": 1461,
    "vega_datasets/stocks.csv.gz": 560,
    "vega_datasets/unemployment-across-industries.json.gz": 1708,
    "vega_datasets/us-employment.csv.gz": 120,
    "vega_datasets/wheat.json.gz": 52,
}
ASSUMED = {
    "seaborn_data/exercise.csv.gz": {"names", "index"},
    "vega_datasets/birdstrikes.csv.gz": {"missing"},
    "vega_datasets/movies.json.gz": {"dates"},
    "vega_datasets/penguins.json.gz": {"missing"},
    "vega_datasets/stocks.csv.gz": {"dates"},
}
# Guessed to be panels of so few groups that by chance all may fall on one side.
FEW = (
    "seaborn_data/healthexp.csv.gz",
    "vega_datasets/iowa-electricity.csv.gz",
    "vega_datasets/stocks.csv.gz",
)
FOLDERS = ("seaborn_data", "fivethirtyeight", "vega_datasets")

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the shared tables are not here: set EARNEST_SHARED_DATA"
)


def test_the_list_names_every_table_there():
    there = {
        str(path.relative_to(DATA)) for folder in FOLDERS for path in (DATA / folder).rglob("*.gz")
    }
    assert there <= set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_table_reads_or_says_why_not(home, name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    if isinstance(ROWS[name], str):
        with pytest.raises(TableError, match=ROWS[name]) as caught:
            Registry(home).seal(path)
        assert caught.value.mend
        return
    registry = Registry(home)
    ref = registry.seal(path, design="iid" if name in FEW else "")
    parts = registry.visible(ref.table) / f"{ref.name}.csv", registry.sealed(ref.table)
    assert sum(len(read_cells(part)) for part in parts) == ROWS[name]
    said = {one.what for one in registry.assumed(ref.table)}
    assert said - {"duplicates"} == ASSUMED.get(name, set())
