import pytest
from tests.verify.test_verifier import finding

from earnest.core.likeness import Related
from earnest.verify.novelty import novelty


class View:
    def __init__(self, *kin):
        self.kin = [Related(how, f"sha256:{how}", "confirmed", "cars") for how in kin]

    def related(self, one):
        return self.kin


@pytest.mark.parametrize(
    ("kin", "starts", "names"),
    [
        ((), "novel: no earlier", ""),
        (("near",), "novel: the nearest", "sha256:near (confirmed, on cars)"),
        (("extends", "near"), "extends: ", "sha256:extends"),
        (("contradicts", "extends"), "contradicts: ", "sha256:contradicts"),
        (("known", "contradicts"), "known: ", "sha256:known"),
    ],
)
def test_the_grade_names_the_finding_it_is_about_and_decides_nothing(kin, starts, names):
    check = novelty(finding(), View(*kin))
    assert (check.name, check.passed) == ("novelty", None)
    assert check.detail.startswith(starts)
    assert names in check.detail
