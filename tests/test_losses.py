"""Each loss against a value computed by hand or by torch, and its gradient against differences."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from jptextclf.config import TrainConfig
from jptextclf.errors import ConfigError
from jptextclf.losses import check_losses, label_weights, loss_sum, make_loss

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-2.0, 3.0, 0.0], [9.0, -9.0, 0.0]])
IDS = torch.tensor([0, 2, 1, 1])
GIVEN = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]])
SHARES = torch.tensor([[0.6, 0.4, 0.0], [0.0, 0.2, 0.8], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]])
TEACHER = torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 0.5], [0.3, 0.3, 0.3], [-4.0, 1.0, 2.0]])
ALL = torch.arange(4)


def loss_of(targets=IDS, *, soft=None, teacher=None, **settings):
    return make_loss(TrainConfig(**settings), targets, n_labels=3, soft=soft, teacher_logits=teacher)


# Hard labels


@pytest.mark.parametrize("weights", ["none", "balanced"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_single_label_smoothing_and_weights_are_torchs(weights, smoothing):
    loss = loss_of(class_weights=weights, label_smoothing=smoothing)
    reference = functional.cross_entropy(
        LOGITS, IDS, weight=label_weights(IDS, 3, weights), label_smoothing=smoothing, reduction="none"
    )
    torch.testing.assert_close(loss(LOGITS, ALL), reference.sum(), rtol=0, atol=0)


def test_a_smoothed_target_by_hand():
    # 0.85 + 0.15 / 3 of the first label, 0.05 of each other; logits ln 1, ln 2, ln 3 give 1/6, 2/6, 3/6.
    logits = torch.tensor([[1.0, 2.0, 3.0]]).log()
    loss = make_loss(TrainConfig(label_smoothing=0.15), torch.tensor([0]), n_labels=3)
    expected = -(0.90 * math.log(1 / 6) + 0.05 * math.log(2 / 6) + 0.05 * math.log(3 / 6))
    assert float(loss(logits, torch.tensor([0]))) == pytest.approx(expected, rel=1e-6)


def test_multi_label_is_the_mean_of_binary_cross_entropies_with_weights_of_positives():
    weights = torch.tensor([1.0, 1.0, 1.0])
    assert torch.equal(label_weights(GIVEN, 3, "balanced"), weights)
    uneven = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    assert torch.equal(label_weights(uneven, 3, "balanced"), torch.tensor([1 / 3, 3.0, 3.0]))
    expected = functional.binary_cross_entropy_with_logits(
        LOGITS, uneven, pos_weight=torch.tensor([1 / 3, 3.0, 3.0]), reduction="none"
    )
    found = loss_of(uneven, class_weights="balanced")(LOGITS, ALL)
    torch.testing.assert_close(found, expected.mean(dim=1).sum(), rtol=0, atol=0)


def test_multi_label_smoothing_is_between_given_and_not_given():
    expected = functional.binary_cross_entropy_with_logits(LOGITS, GIVEN * 0.8 + 0.1, reduction="none")
    found = loss_of(GIVEN, label_smoothing=0.2)(LOGITS, ALL)
    torch.testing.assert_close(found, expected.mean(dim=1).sum())


# Focal loss


@pytest.mark.parametrize("targets", [IDS, GIVEN], ids=["single", "multi"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_with_gamma_0_is_cross_entropy_exactly(targets, smoothing):
    focal = loss_of(targets, loss="focal", focal_gamma=0.0, label_smoothing=smoothing)
    assert torch.equal(focal(LOGITS, ALL), loss_of(targets, label_smoothing=smoothing)(LOGITS, ALL))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_by_hand(gamma):
    # Equation 4 of the paper: FL = -(1 - p)^gamma log p; here p = 1/6 and 3/6.
    logits = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]).log()
    settings = TrainConfig(loss="focal", focal_gamma=gamma)
    loss = make_loss(settings, torch.tensor([0, 2]), n_labels=3)
    expected = sum(-((1 - p) ** gamma) * math.log(p) for p in (1 / 6, 3 / 6))
    assert float(loss(logits, torch.tensor([0, 1]))) == pytest.approx(expected, rel=1e-5)


def test_focal_of_several_labels_by_hand():
    # Logits ln 3 and ln 1/4 are the probabilities 0.75 and 0.2.
    logits = torch.tensor([[3.0, 0.25]]).log()
    loss = make_loss(TrainConfig(loss="focal"), torch.tensor([[1.0, 0.0]]), n_labels=2)
    expected = (-(0.25**2) * math.log(0.75) - 0.2**2 * math.log(0.8)) / 2
    assert float(loss(logits, torch.tensor([0]))) == pytest.approx(expected, rel=1e-5)


def test_focal_turns_down_texts_that_are_right():
    sure, unsure = torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.0]])
    focal, plain = loss_of(loss="focal"), loss_of()
    first = torch.tensor([0])
    assert focal(sure, first) / plain(sure, first) < 0.01 < 0.4 < focal(unsure, first) / plain(unsure, first)


@pytest.mark.parametrize("targets", [IDS, GIVEN], ids=["single", "multi"])
@pytest.mark.parametrize("gamma", [0.3, 2.0])
def test_focal_has_a_gradient_where_a_probability_is_1(targets, gamma):
    logits = torch.tensor([[200.0, -200.0, 200.0]], requires_grad=True)
    loss_of(targets, loss="focal", focal_gamma=gamma)(logits, torch.tensor([0])).backward()
    assert bool(logits.grad.isfinite().all())


# Votes


def test_votes_are_a_cross_entropy_against_their_shares():
    expected = -(SHARES * LOGITS.log_softmax(dim=1)).sum()
    torch.testing.assert_close(loss_of(soft=SHARES)(LOGITS, ALL), expected)


def test_votes_of_one_mind_are_the_label():
    sure = functional.one_hot(IDS, 3).float()
    torch.testing.assert_close(loss_of(soft=sure)(LOGITS, ALL), loss_of()(LOGITS, ALL))
    torch.testing.assert_close(loss_of(GIVEN, soft=GIVEN)(LOGITS, ALL), loss_of(GIVEN)(LOGITS, ALL))


def test_votes_of_several_labels_are_shares_of_each():
    logits, shares = LOGITS.double(), SHARES.double()
    each = shares * logits.sigmoid().log() + (1 - shares) * (1 - logits.sigmoid()).log()
    torch.testing.assert_close(loss_of(GIVEN, soft=shares)(logits, ALL), -each.mean(dim=1).sum())


def test_class_weights_stay_those_of_the_labels_with_votes():
    weights = label_weights(IDS, 3, "balanced")
    assert not torch.equal(weights, torch.ones(3))
    expected = -(weights * SHARES * LOGITS.log_softmax(dim=1)).sum()
    torch.testing.assert_close(loss_of(class_weights="balanced", soft=SHARES)(LOGITS, ALL), expected)


# Teachers


def test_distillation_by_hand():
    # At temperature 2, logits 2 ln 3 and 0 are the probabilities 3/4 and 1/4; those of the student are 1/2.
    config = TrainConfig(teacher="t", distillation_weight=0.25, distillation_temperature=2.0)
    teacher = torch.tensor([[2 * math.log(3), 0.0]])
    loss = make_loss(config, torch.tensor([1]), n_labels=2, teacher_logits=teacher)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    expected = 0.25 * 4 * divergence + 0.75 * math.log(2)
    assert float(loss(torch.zeros(1, 2), torch.tensor([0]))) == pytest.approx(expected, rel=1e-6)


def test_distillation_of_several_labels_is_one_choice_of_two_each():
    config = TrainConfig(teacher="t", distillation_weight=1.0, distillation_temperature=3.0)
    loss = make_loss(config, GIVEN, n_labels=3, teacher_logits=TEACHER)
    student, teacher = (
        torch.distributions.Bernoulli(logits=logits / 3) for logits in (LOGITS.double(), TEACHER.double())
    )
    expected = 9 * torch.distributions.kl_divergence(teacher, student).mean(dim=1).sum()
    torch.testing.assert_close(loss(LOGITS, ALL).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("targets", [IDS, GIVEN], ids=["single", "multi"])
def test_a_student_like_its_teacher_has_nothing_to_learn_from_it(targets):
    loss = loss_of(targets, teacher=TEACHER, distillation_weight=1.0)
    logits = TEACHER.clone().requires_grad_()
    found = loss(logits, ALL)
    found.backward()
    assert float(found.detach()) == pytest.approx(0, abs=1e-5)
    assert float(logits.grad.abs().max()) < 1e-6


@pytest.mark.parametrize("targets", [IDS, GIVEN], ids=["single", "multi"])
def test_the_teachers_share_is_beside_the_labels(targets):
    def at(weight):
        return float(loss_of(targets, teacher=TEACHER, distillation_weight=weight)(LOGITS, ALL))

    assert at(0.0) == pytest.approx(float(loss_of(targets)(LOGITS, ALL)), rel=1e-6)
    assert at(0.3) == pytest.approx(0.3 * at(1.0) + 0.7 * at(0.0), rel=1e-5)


def test_the_size_of_a_distilled_gradient_hardly_depends_on_the_temperature():
    def size(temperature):
        logits = (LOGITS / 50).requires_grad_()
        settings = {"distillation_weight": 1.0, "distillation_temperature": temperature}
        loss_of(teacher=TEACHER / 50, **settings)(logits, ALL).backward()
        return float(logits.grad.norm())

    assert size(1.0) == pytest.approx(size(8.0), rel=0.02)


# All of them

EVERY = [
    {},
    {"class_weights": "balanced"},
    {"label_smoothing": 0.1},
    {"loss": "focal"},
    {"loss": "focal", "focal_gamma": 0.7, "label_smoothing": 0.1, "class_weights": "balanced"},
    {"soft": SHARES},
    {"soft": SHARES, "class_weights": "balanced", "label_smoothing": 0.2},
    {"teacher": TEACHER},
    {"teacher": TEACHER, "distillation_temperature": 4.0, "loss": "focal"},
    {"teacher": TEACHER, "soft": SHARES},
]


@pytest.mark.parametrize("targets", [IDS, GIVEN], ids=["single", "multi"])
@pytest.mark.parametrize("options", EVERY, ids=lambda options: "+".join(options) or "plain")
def test_the_gradient_is_that_of_the_loss(targets, options):
    loss = loss_of(targets, **options)
    logits = LOGITS.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda one: loss(one, ALL), (logits,))


@pytest.mark.parametrize("targets", [IDS, GIVEN], ids=["single", "multi"])
@pytest.mark.parametrize("options", EVERY, ids=lambda options: "+".join(options) or "plain")
def test_parts_of_a_batch_add_up_in_any_order(targets, options):
    loss = loss_of(targets, **options)
    parts = [torch.tensor([3, 1]), torch.tensor([0]), torch.tensor([2])]
    torch.testing.assert_close(sum(loss(LOGITS[part], part) for part in parts), loss(LOGITS, ALL))


def test_everything_a_loss_knows_moves_with_it():
    loss = loss_of(soft=SHARES, teacher=TEACHER, class_weights="balanced").to("meta")
    there = (loss.targets, loss.weights, loss.soft, loss.teacher_logits)
    assert {one.device.type for one in there} == {"meta"}
    assert loss_of().to("cpu").soft is None


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 3\)"):
        loss_of(soft=SHARES[:2])
    with pytest.raises(ValueError, match=r"\(4, 3\)"):
        loss_of(teacher=TEACHER[:, :2])


def test_loss_sum_is_against_the_labels_alone():
    torch.testing.assert_close(loss_sum(LOGITS, IDS), functional.cross_entropy(LOGITS, IDS, reduction="sum"))
    assert float(loss_sum(LOGITS, GIVEN)) == pytest.approx(float(loss_of(GIVEN)(LOGITS, ALL)))


def test_weights_of_labels_have_mean_1_over_the_texts():
    ids = torch.tensor([0, 0, 0, 1, 3])
    weights = label_weights(ids, 4, "balanced")
    np.testing.assert_allclose(weights, [5 / 9, 5 / 3, 0, 5 / 3], rtol=1e-6)
    assert float(weights[ids].mean()) == pytest.approx(1)
    assert label_weights(ids, 4, "none") is None


# Settings that do not go together


@pytest.mark.parametrize(
    ("settings", "votes", "words"),
    [
        ({"focal_gamma": 3.0}, False, ["focal_gamma has an effect only with loss = focal"]),
        ({"distillation_temperature": 4.0}, False, ["distillation_temperature", "teacher"]),
        ({"lora_alpha": 8.0}, False, ["lora_alpha", "lora_rank"]),
        ({"loss": "focal"}, True, ["votes and loss focal"]),
        ({"teacher": "t", "distillation_weight": 0.0}, False, ["not heard"]),
        ({"teacher": "t", "distillation_weight": 1.0, "loss": "focal"}, True, ["loss", "votes_column"]),
        ({"mode": "features"}, True, ["votes and mode features"]),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, votes, words):
    with pytest.raises(ConfigError) as caught:
        check_losses(TrainConfig(**settings), has_votes=votes)
    assert caught.value.code == "JPT-U140"
    assert all(word in str(caught.value) for word in words)


def test_all_problems_are_told_at_once():
    settings = TrainConfig(focal_gamma=1.0, lora_alpha=3.0, distillation_weight=0.2)
    with pytest.raises(ConfigError, match="3 setting"):
        check_losses(settings)


@pytest.mark.parametrize(
    ("settings", "votes"),
    [
        ({}, False),
        ({}, True),
        ({"loss": "focal", "focal_gamma": 1.0, "label_smoothing": 0.1, "class_weights": "balanced"}, False),
        ({"teacher": "t", "distillation_weight": 0.7, "label_smoothing": 0.1}, True),
        ({"teacher": "t", "distillation_weight": 1.0}, False),
        ({"mode": "features", "class_weights": "balanced"}, False),
        ({"lora_rank": 4, "lora_alpha": 4.0, "layer_decay": 0.9, "frozen_layers": 1}, False),
    ],
)
def test_settings_that_go_together_pass(settings, votes):
    assert check_losses(TrainConfig(**settings), has_votes=votes) is None
