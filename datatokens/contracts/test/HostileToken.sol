// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token for tests that behaves as it is told to: honestly, or in one of the ways that tokens are known to cheat
contract HostileToken is ERC20 {
    /// @notice How it behaves.
    enum Mood {
        Honest,
        TakesFee,
        CallsBack,
        MovesNothing,
        Reverts,
        ReturnsFalse
    }

    /// @notice The token is in a mood to refuse.
    error HostileTokenRefuses();

    /// @notice How it behaves now.
    Mood public mood;

    /// @notice How often a call back succeeded.
    uint256 public successes;

    address private _target;
    bytes private _callData;

    constructor() ERC20("Hostile TEST token", "tBAD") {}

    /// @notice Make `amount` units for an account.
    /// @param account Whose.
    /// @param amount Units.
    function faucet(address account, uint256 amount) external {
        _mint(account, amount);
    }

    /// @notice Behave otherwise from now on.
    /// @param mood_ How.
    /// @param target Whom to call back.
    /// @param callData What to call.
    function become(Mood mood_, address target, bytes calldata callData) external {
        (mood, _target, _callData) = (mood_, target, callData);
    }

    /// @inheritdoc ERC20
    function transfer(address to, uint256 value) public override returns (bool) {
        return _claimsToMove() || (mood != Mood.ReturnsFalse && super.transfer(to, value));
    }

    /// @inheritdoc ERC20
    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return _claimsToMove() || (mood != Mood.ReturnsFalse && super.transferFrom(from, to, value));
    }

    /// @inheritdoc ERC20
    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = mood == Mood.TakesFee && from != address(0) ? value / 100 : 0;
        super._update(from, to, value - fee);
        if (fee != 0) super._update(from, address(0), fee);
        if (mood != Mood.CallsBack) return;
        (bool ok, ) = _target.call(_callData);
        if (ok) ++successes;
    }

    function _claimsToMove() private view returns (bool) {
        if (mood == Mood.Reverts) revert HostileTokenRefuses();
        return mood == Mood.MovesNothing;
    }
}
