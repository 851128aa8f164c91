// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title An honest token for tests, of 6 decimals as many stablecoins have, and without ERC-2612
contract CentToken is ERC20 {
    constructor() ERC20("Cent TEST token", "tCENT") {}

    /// @notice Make `amount` units for the caller.
    /// @param amount Units.
    function faucet(uint256 amount) external {
        _mint(msg.sender, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
