from xml.etree.ElementTree import fromstring as parse

from hypothesis import given
from hypothesis import strategies as st

from earnest.recipes.figures import Bar, Effect, bars, curve, forest

share = st.floats(0, 1)
effect = st.floats(-1, 1)
label = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80)


@given(st.lists(st.builds(Effect, label, effect, effect, effect, st.just("confirmed")), min_size=1))
def test_a_forest_plot_is_well_formed_whatever_it_says(rows):
    root = parse(forest(rows))
    assert len(root.findall("{*}circle")) == len(rows)


@given(st.lists(st.builds(Bar, label, share, share), min_size=1, max_size=5))
def test_bars_are_well_formed_and_as_long_as_they_say(rows):
    root = parse(bars(rows))
    widths = [float(one.get("width")) for one in root.findall("{*}rect")]
    assert len(widths) == 2 * len(rows)
    assert all(0 <= width <= 860 for width in widths)


@given(st.lists(st.floats(0, 10), min_size=2, max_size=50))
def test_a_curve_is_well_formed(losses):
    parse(curve([(float(n), loss) for n, loss in enumerate(losses)], "loss"))


def test_nothing_to_draw_draws_nothing():
    assert forest([]) == ""
    assert curve([(0.0, 1.0)], "loss") == ""


def test_a_label_cannot_leave_its_text():
    drawn = forest([Effect("<script>alert(1)</script>'\"&", 0.1, 0.0, 0.2, "confirmed")])
    assert "<script" not in drawn
    parse(drawn)
