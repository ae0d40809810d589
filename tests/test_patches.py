import numpy as np
from convdip.patches import cortex_only, mesh_adjacency, patch_dictionary
from scipy.sparse.csgraph import shortest_path


def test_adjacency_of_two_triangles():
    adjacency = mesh_adjacency(np.array([[0, 1, 2], [1, 2, 3]], np.int32), 5).toarray()
    expected = np.zeros((5, 5))
    for a, b in [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]:
        expected[a, b] = expected[b, a] = 1
    np.testing.assert_array_equal(adjacency, expected)


def test_a_patch_holds_all_dipoles_within_its_order(toy_head):
    edges = shortest_path(mesh_adjacency(toy_head.triangles, 324), unweighted=True)
    for order in (1, 2, 3):
        patches = patch_dictionary(toy_head.triangles, toy_head.dipoles_m, order).toarray()
        np.testing.assert_array_equal(patches > 0, edges <= order)


def test_moments_fall_off_as_a_gaussian(toy_head):
    patches = patch_dictionary(toy_head.triangles, toy_head.dipoles_m, 2).toarray()
    seed = 100
    members = np.flatnonzero(patches[seed])
    distances_m = np.linalg.norm(toy_head.dipoles_m[members] - toy_head.dipoles_m[seed], axis=1)
    sd_m = distances_m.max() / 2
    np.testing.assert_allclose(
        patches[seed, members], np.exp(-(distances_m**2) / (2 * sd_m**2)), rtol=1e-5
    )
    assert patches[seed, seed] == 1.0


def test_patches_have_the_papers_sizes(shipped):
    """Orders 2 to 5 hold 19 to 91 dipoles (section 2.2)."""
    sizes = [
        int(np.median(np.diff(_patches(shipped.head, order).indptr))) for order in (2, 3, 4, 5)
    ]
    assert sizes == [19, 37, 61, 91]


def test_a_patch_stays_in_its_hemisphere(shipped):
    patches = _patches(shipped.head, 5).tocoo()
    n_left = shipped.head.n_left
    assert np.all((patches.row < n_left) == (patches.col < n_left))


def test_on_the_mesh_of_the_cortex_alone_no_patch_grows_onto_the_medial_wall(shipped, walled_head):
    for head in (shipped.head, walled_head):
        dipoles, triangles = cortex_only(head)
        np.testing.assert_array_equal(dipoles, np.flatnonzero(head.is_cortex))
        here = patch_dictionary(triangles, head.dipoles_m[dipoles], 1).toarray() > 0
        everywhere = _patches(head, 1).toarray()[np.ix_(dipoles, dipoles)] > 0
        # Neighbours on cortex stay neighbours, but for edges with the wall on both sides.
        assert not (here & ~everywhere).any()
        assert here.sum() > 0.999 * everywhere.sum()


def _patches(head, order):
    return patch_dictionary(head.triangles, head.dipoles_m, order)
