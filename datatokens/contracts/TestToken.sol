// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A token WITHOUT VALUE, for local chains and tests: anyone can make as much of it as they like
contract TestToken is ERC20Permit {
    constructor() ERC20("Sealroom TEST token", "tSEAL") ERC20Permit("Sealroom TEST token") {}

    /// @notice Make `amount` units for the caller.
    /// @param amount Units, 18 decimals.
    function faucet(uint256 amount) external {
        _mint(msg.sender, amount);
    }
}
