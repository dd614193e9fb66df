from hypothesis import given
from hypothesis import strategies as st

from earnest.serve.buckets import MOST_NAMES, Buckets, Rate, seconds


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_bucket_empties_and_fills_again():
    clock = Clock()
    buckets = Buckets(Rate(burst=3, a_minute=60), clock)
    assert [buckets.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    assert buckets.take("b") == 0.0  # another name's bucket is its own
    clock.now += 0.5
    assert buckets.take("a") == 0.5
    clock.now += 0.5
    assert buckets.take("a") == 0.0
    clock.now += 1000
    assert [buckets.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]


@given(
    st.lists(st.floats(0, 30), min_size=1, max_size=200),
    st.integers(1, 20),
    st.floats(1, 600),
)
def test_never_more_than_the_rate(pauses, burst, a_minute):
    clock = Clock()
    buckets, given_ = Buckets(Rate(burst, a_minute), clock), 0
    for pause in pauses:
        clock.now += pause
        wait = buckets.take("a")
        assert 0 <= wait <= 60 / a_minute + 1e-6
        given_ += not wait
        assert given_ <= burst + clock.now * a_minute / 60 + 1e-6


def test_who_waits_as_told_is_served():
    clock = Clock()
    buckets = Buckets(Rate(burst=1, a_minute=7), clock)
    for _ in range(50):
        if wait := buckets.take("a"):
            clock.now += seconds(wait)
            assert buckets.take("a") == 0.0


def test_memory_is_bounded():
    buckets = Buckets(Rate(burst=1, a_minute=1))
    for number in range(3 * MOST_NAMES):
        buckets.take(str(number))
    assert len(buckets._kept) == MOST_NAMES
