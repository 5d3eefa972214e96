"""Calls every reader among the SDK's public methods with sensible arguments. Each must
answer, but for those listed with the reason why the chain of this version cannot."""

import inspect

import bittensor as bt
from bittensor.core.subtensor import Subtensor

NETUID = 1

# What is no reader: these change the connection or the program, or wait.
NO_READERS = {"add_args", "help", "config", "setup_config", "close", "wait_for_block", "serve_axon", "mev_submit_encrypted",
              "compose_call", "validate_extrinsic_params", "encode_params", "sign_and_send_extrinsic", "state_call",
              "set_reveal_commitment", "log_verbose", "query_runtime_api"}

# A pallet of which the record of runtime 381 has the name only.
CROWDLOAN = "Pallet \"Crowdloan\" not found: not among the recorded declarations"
LATER = "the runtime has it since a version after 381"

# method: (part of the error, why the chain of spec 381 gives it too)
EXCEPTIONS = {
    **{name: ("Crowdloan", CROWDLOAN) for name in (
        "get_crowdloan_by_id", "get_crowdloan_contributions", "get_crowdloan_next_id", "get_crowdloans")},
    **{name: ("not found", LATER) for name in (
        "get_activity_cutoff_factor_milli", "get_epoch_schedule_state", "get_hotkey_conviction",
        "get_last_epoch_block", "get_most_convicted_hotkey_on_subnet", "get_pending_epoch_at", "get_proxy_filter",
        "get_proxy_types", "get_stake_availability_for_coldkeys", "get_subnet_epoch_index", "is_in_admin_freeze_window")},
    **{name: ("Unable to retrieve", LATER) for name in (
        "get_max_activity_cutoff_factor_milli", "get_max_epochs_per_block", "get_max_tempo",
        "get_min_activity_cutoff_factor_milli", "get_min_tempo")},
    "get_ema_tao_inflow": ("unpack", "the SDK takes the item to be there; it is optional, and absent before the first flow"),
    "get_vote_data": ("Triumvirate", "the pallet was removed before 381"),
}

# What only SDK 9 asks for.
EXCEPTIONS_9 = {
    "is_fast_blocks": ("'NoneType' object has no attribute 'value'", "it looks at SubtensorModule.DurationOfStartCall, which 381 lacks"),
}

# These may answer after all: the development chain also declares some of what later
# runtimes have.
MAY_ANSWER = {name for name, (_, why) in EXCEPTIONS.items() if why == LATER}


def arguments(scenario):
    hot, cold = scenario.validator.hotkey.ss58_address, scenario.validator.coldkeypub.ss58_address
    tao = bt.Balance.from_tao(1)
    call = scenario.s.substrate.compose_call("Balances", "transfer_keep_alive", {"dest": cold, "value": 1})
    return {
        "netuid": NETUID, "netuids": [0, NETUID], "hotkey_ss58": hot, "hotkey": hot, "hotkey_ss58s": [hot],
        "hotkey_ss58_address": hot, "coldkey_ss58": cold, "coldkey_ss58s": [cold, scenario.alice.coldkeypub.ss58_address],
        "address": cold, "uid": 1, "mechid": 0, "amount": tao, "value": tao, "dest": cold, "destination_ss58": cold,
        "origin_netuid": 0, "destination_netuid": NETUID, "origin_hotkey_ss58": hot, "origin_coldkey_ss58": cold,
        "destination_hotkey_ss58": hot, "destination_coldkey_ss58": cold, "real_account_ss58": cold,
        "delegate_account_ss58": cold, "crowdloan_id": 0, "param_name": "Tempo", "all_netuids": [0, NETUID],
        "filter_for_netuids": [NETUID], "all_hotkeys": [scenario.validator], "block": scenario.s.get_current_block(),
        "module": "SubtensorModule", "module_name": "SubtensorModule", "constant_name": "InitialTempo", "name": "Tempo",
        "proposal_hash": "0x" + "00" * 32, "call": call, "keypair": scenario.validator.coldkeypub, "wallet": scenario.validator,
    }


# Arguments of their own, where the names alone do not say enough.
SPECIAL = {
    "query_module": {"module": "SubtensorModule", "name": "Tempo", "params": [NETUID]},
    "query_subtensor": {"name": "Tempo", "params": [NETUID]},
}

WRITERS = ("add_", "set_", "remove_", "burned_", "root_", "commit", "reveal", "register", "stake_", "unstake", "transfer",
           "swap_", "move_", "announce", "claim", "clear", "contribute", "create", "dispute", "dissolve", "finalize", "kill",
           "lock_", "modify", "poke", "proxy", "refund", "reject", "start_call", "toggle", "trigger", "update", "withdraw")


def readers():
    for name, method in sorted(inspect.getmembers(Subtensor)):
        if name.startswith("_") or name in NO_READERS or not callable(method):
            continue
        parameters = [p for p in inspect.signature(method).parameters.values() if p.name != "self"]
        writes = any(p.name.startswith("wait_for_inclusion") for p in parameters) or (
            name.startswith(WRITERS) and any(p.name == "wallet" for p in parameters))
        if not writes:
            yield name, parameters


def sweep(scenario):
    r, s = scenario.r, scenario.s
    known = arguments(scenario)
    counted = 0
    exceptions = EXCEPTIONS if scenario.sdk10 else EXCEPTIONS | EXCEPTIONS_9
    if scenario.spec == 293:
        exceptions = {name: e for name, e in exceptions.items() if name != "is_fast_blocks"}
    for name, parameters in readers():
        positional, named = [], dict(SPECIAL.get(name, {}))
        missing = []
        for p in parameters:
            if p.kind == p.VAR_POSITIONAL:
                positional = [known["coldkey_ss58"]]
            elif p.kind != p.VAR_KEYWORD and p.name not in named and (p.default is p.empty or p.name == "netuid"):
                if p.name in known:
                    named[p.name] = known[p.name]
                else:
                    missing.append(p.name)
        if missing:
            r.fail(f"reader {name}", f"no argument is known for {missing}")
            continue
        counted += 1
        part, why = exceptions.get(name, (None, ""))
        try:
            getattr(s, name)(*positional, **named)
        except Exception as error:
            if part is None or part not in f"{type(error).__name__}: {error}":
                r.fail(f"reader {name}", f"{type(error).__name__}: {error}")
            else:
                r.note(f"reader {name}", f"{why} ({type(error).__name__})")
        else:
            r.check(f"reader {name}", part is None or name in MAY_ANSWER, "listed as an exception, but it answers")
    r.check("the sweep saw the SDK's readers", counted >= (130 if scenario.sdk10 else 70), counted)
