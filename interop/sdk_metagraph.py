"""Compares the Python SDK's metagraph with that of `bitmind metagraph --json`, field by
field, at one block."""

import numpy as np

from sdk_checks import bitmind

NETUID = 1
RAO = 1_000_000_000


def compare(scenario):
    r, s = scenario.r, scenario.s
    block = s.get_current_block()
    ours = bitmind(scenario.program, "metagraph", "--netuid", str(NETUID), "--subtensor.network", scenario.rpc,
                   "--block", str(block), "--json", "--full")
    r.equal("our block", ours["block"], block)
    for lite in (True, False):
        theirs = s.metagraph(NETUID, lite=lite, block=block)
        kind = "lite" if lite else "full"
        neurons(r, kind, theirs, ours)
        rest(r, kind, theirs, ours, scenario.sdk10)
        if not lite:
            rows(r, theirs, ours)
    tables(r, s, block, ours)


def vector(r, kind, field, theirs, ours, part=0.0):
    theirs = [x.item() if isinstance(x, np.generic) else x for x in theirs]
    if part:
        good = len(theirs) == len(ours) and all(abs(a - b) <= part * max(1.0, abs(b)) for a, b in zip(theirs, ours))
    else:
        good = list(theirs) == list(ours)
    r.check(f"metagraph {kind}: {field}", good, f"SDK {list(theirs)}, bitmind {list(ours)}")


def neurons(r, kind, theirs, ours):
    """What there is of each uid. The SDK keeps fractions and amounts in 32-bit floats."""
    list_ = ours["neurons"]
    of = lambda name: [n[name] for n in list_]
    r.equal(f"metagraph {kind}: n, block", (int(theirs.n), int(theirs.block)), (len(list_), ours["block"]))
    for field, name in (("uids", "uid"), ("hotkeys", "hotkey"), ("coldkeys", "coldkey"),
                        ("validator_permit", "validator_permit"), ("last_update", "last_update"),
                        ("block_at_registration", "registered_at")):
        vector(r, kind, field, getattr(theirs, field), of(name))
    vector(r, kind, "active", theirs.active, [int(x) for x in of("active")])
    for field, name in (("consensus", "consensus"), ("incentive", "incentive"), ("dividends", "dividends"),
                        ("validator_trust", "validator_trust"), ("ranks", "rank"), ("trust", "trust")):
        if hasattr(theirs, field):
            vector(r, kind, field, getattr(theirs, field), of(name), 1e-6)
    for field, name in (("emission", "emission_rao"), ("stake", "stake_rao"), ("total_stake", "stake_rao"),
                        ("alpha_stake", "alpha_stake_rao")):
        vector(r, kind, field, getattr(theirs, field), [x / RAO for x in of(name)], 1e-6)
    weight = 0.18  # the SDK shows root TAO as the consensus weighs it
    vector(r, kind, "tao_stake", theirs.tao_stake, [x / RAO * weight for x in of("tao_stake_rao")], 1e-3)
    axons = [(a.ip, a.port, a.version, a.protocol, a.hotkey, a.coldkey) for a in theirs.axons]
    vector(r, kind, "axons", axons, [(n["axon_info"]["ip"] or "0.0.0.0", n["axon_info"]["port"], n["axon_info"]["version"],
                                      n["axon_info"]["protocol"], n["hotkey"], n["coldkey"]) for n in list_])
    vector(r, kind, "pruning_score", [float(x) for x in theirs.pruning_score], of("pruning_score"), 1e-6)


def plain(v):
    return v.rao if hasattr(v, "rao") else v


def rest(r, kind, theirs, ours, sdk10):
    """What there is of the subnet."""
    subnet = ours["subnet"]
    for field in ("name", "symbol", "network_registered_at", "owner_hotkey", "owner_coldkey", "tempo", "last_step",
                  "blocks_since_last_step", "num_uids", "max_uids"):
        r.equal(f"metagraph {kind}: {field}", getattr(theirs, field), subnet[field])
    if isinstance(theirs.identity, dict) or theirs.identity is None:
        r.equal(f"metagraph {kind}: identity", theirs.identity, subnet["identity"])
    for group, name in (("hparams", "hparams"), ("pool", "pool"), ("emissions", "emissions")):
        for field, value in vars(getattr(theirs, group)).items():
            if field not in subnet[name]:
                r.fail(f"metagraph {kind}: {group}.{field}", "bitmind's JSON lacks it")
                continue
            mine, value = subnet[name][field], plain(value)
            # The SDK gives some as fractions, bitmind as the chain's numbers.
            scales = (1, 65535, 2**63 - 1, 2**64 - 1, RAO, 2**32)
            good = value == mine or isinstance(value, float) and any(
                abs(value - mine / k) <= 1e-6 * max(1.0, abs(value)) for k in scales)
            if not good and field == "moving_price" and not sdk10 and abs(value - mine % 1) < 1e-6:
                # SDK 9 takes the whole part from bit 96 on; the number has 32 fraction bits.
                r.note(f"metagraph {kind}: {field}", f"SDK 9 loses its whole part: {value} of {mine}")
                continue
            r.check(f"metagraph {kind}: {group}.{field}", good, f"SDK {value}, bitmind {mine}")
    for field in ("tao_dividends_per_hotkey", "alpha_dividends_per_hotkey"):
        got = {k: round(v * RAO) if isinstance(v, float) else plain(v) for k, v in getattr(theirs, field)}
        r.equal(f"metagraph {kind}: {field}", got, subnet[field])
    if hasattr(theirs, "mechanism_count"):
        r.equal(f"metagraph {kind}: mechanisms", theirs.mechanism_count, subnet["mechanism_count"])


def rows(r, theirs, ours):
    """Weights and bonds. The SDK divides a row by its sum, and bonds by 65535."""
    n = len(ours["neurons"])
    weights, bonds = np.zeros((n, n)), np.zeros((n, n))
    for neuron in ours["neurons"]:
        total = sum(v for _, v in neuron["weights"])
        for uid, value in neuron["weights"]:
            weights[neuron["uid"], uid] = value / total
        for uid, value in neuron["bonds"]:
            bonds[neuron["uid"], uid] = value / 65535
    r.check("metagraph full: weights", theirs.weights.shape == (n, n) and np.allclose(theirs.weights, weights, atol=1e-6),
            f"SDK {theirs.weights.tolist()}, bitmind {weights.tolist()}")
    given = np.asarray(theirs.bonds, dtype=np.float64)
    good = given.shape == (n, n) and np.allclose(given, bonds, atol=1e-6)
    r.check("metagraph full: bonds", good or np.allclose(given, bonds * 65535, atol=0.5),
            f"SDK {given.tolist()}, bitmind {bonds.tolist()}")


def tables(r, s, block, ours):
    """The same neurons through the SDK's other readers."""
    theirs = s.neurons(NETUID, block=block)
    light = s.neurons_lite(NETUID, block=block)
    r.equal("neurons", [(n.uid, n.hotkey, n.coldkey, n.emission) for n in theirs],
            [(n["uid"], n["hotkey"], n["coldkey"], n["emission_rao"] / RAO) for n in ours["neurons"]])
    r.equal("neurons_lite", [(n.uid, n.hotkey, n.last_update) for n in light],
            [(n["uid"], n["hotkey"], n["last_update"]) for n in ours["neurons"]])
    info = s.get_metagraph_info(NETUID, block=block)
    r.equal("get_metagraph_info", (info.netuid, info.block, info.hotkeys, info.num_uids),
            (NETUID, block, [n["hotkey"] for n in ours["neurons"]], len(ours["neurons"])))
    r.equal("its stakes", [x.rao for x in info.total_stake], [n["stake_rao"] for n in ours["neurons"]])
    r.equal("the validator's permit is there", [bool(x) for x in info.validator_permit], [n["validator_permit"] for n in ours["neurons"]])
