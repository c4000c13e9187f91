"""What an encoding trial says of its settings."""

import math

import numpy as np
import pytest

from reference_impl.stack.encoding_trial import Settings, encode, film, psnr_db, ssim

WIDTH, HEIGHT, FPS = 320, 180, 25
PLANE = np.random.default_rng(1).integers(16, 235, (64, 64)).astype(float)


@pytest.fixture(scope="module")
def pictures():
    return film(WIDTH, HEIGHT, 30, FPS)


@pytest.fixture(scope="module")
def trial_of(pictures):
    def run(*settings):
        return encode(pictures, WIDTH, HEIGHT, Settings(*settings), FPS)

    return run


def test_same_picture_has_no_error_and_full_similarity():
    assert psnr_db(PLANE, PLANE) == math.inf
    assert ssim(PLANE, PLANE) == pytest.approx(1.0)


def test_psnr_of_a_known_error_is_the_textbooks():
    assert psnr_db(PLANE, PLANE + 5) == pytest.approx(10 * math.log10(255**2 / 25))


def test_similarity_falls_with_noise_and_with_lost_structure():
    noise = np.random.default_rng(2).normal(0, 1, PLANE.shape)
    assert ssim(PLANE, PLANE + 5 * noise) > ssim(PLANE, PLANE + 50 * noise) > ssim(PLANE, PLANE[::-1])


def test_more_bits_look_better_and_cost_more(trial_of):
    poor, rich = trial_of("superfast", 24, 100), trial_of("superfast", 24, 1000)
    assert rich.psnr_db > poor.psnr_db + 1
    assert rich.ssim > poor.ssim
    assert rich.sent_kbps > poor.sent_kbps


def test_encoder_for_live_keeps_no_frame_back_and_looking_ahead_costs_those_frames(trial_of):
    live, ahead = trial_of("superfast", 24, 300), trial_of("superfast", 24, 300, 10)
    assert live.held_frames == 0
    assert ahead.held_frames >= 10
    assert ahead.latency_ms > live.latency_ms + 390
